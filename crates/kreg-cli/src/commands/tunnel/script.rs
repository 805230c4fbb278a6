//! `--trust print`: what each client needs, as commands that a person may run instead.

use kreg::tunnel::Advice;
use kreg_nodes::quote;

/// A script with comments.
pub(super) fn of(advice: &Advice) -> String {
    let (registry, address) = (&advice.registry, advice.address);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let user = quote(&advice.user);
    let ca = quote(advice.path_in("/etc/containers/"));
    let buildkit = quote(advice.path_in("/etc/buildkit/"));
    let mut text = format!(
        "\
# What clients on this machine need for {registry}. As root, `kreg tunnel --trust install` does all of it
# for as long as the tunnel is open; by hand it is this, as root, and the tunnel with --address.

# The name. Docker verifies no registry whose name leads to 127.0.0.0/8, so the tunnel listens on the
# registry's own address, on the loopback device.
ip address add {address}/{bits} dev lo
"
    );
    for file in &advice.files {
        let (path, into) = (quote(&file.path), if file.block { ">>" } else { ">" });
        if let (false, Some((folder, _))) = (file.block, file.path.rsplit_once('/')) {
            text.push_str(&format!("mkdir -p {}\n", quote(folder)));
        }
        let content = file.content.trim_end();
        text.push_str(&format!("cat {into} {path} <<'EOF'\n{content}\nEOF\n"));
    }
    text.push_str(&format!(
        "
# Docker, podman, skopeo and buildah read the CA where it is now. Others are told:
#   crane       SSL_CERT_FILE={ca} crane ...
#   buildkitd   buildkitd --config {buildkit}
#   buildx      docker buildx create --driver-opt network=host --buildkitd-config {buildkit}

# The tunnel.
#   kreg tunnel --address {address}

# Logging in, with the password on standard input:
#   docker login --username {user} --password-stdin {registry}
#   podman login --username {user} --password-stdin {registry}
#   skopeo login --username {user} --password-stdin {registry}
#   SSL_CERT_FILE={ca} crane auth login --username {user} --password-stdin {registry}
# or, for one command, with the user that the cluster holds:
#   kreg tunnel --trust install --login -- docker push {registry}/NAME:TAG
"
    ));
    text
}

#[cfg(test)]
mod tests {
    use kreg::tunnel::File;

    use super::*;

    #[test]
    fn the_text_is_a_script_that_a_shell_reads_and_names_every_file() {
        let file = |path: &str, content: &str, block| File {
            path: path.to_owned(),
            content: content.to_owned(),
            block,
        };
        let advice = Advice {
            registry: "docker-registry:5000".to_owned(),
            address: "10.96.0.50".parse().unwrap(),
            user: "o'hara".to_owned(),
            files: vec![
                file(
                    "/etc/containers/certs.d/docker-registry:5000/ca.crt",
                    "PEM\n",
                    false,
                ),
                file(
                    "/etc/hosts",
                    "# BEGIN\n10.96.0.50 docker-registry\n# END\n",
                    true,
                ),
            ],
        };
        let text = of(&advice);
        for part in [
            "ip address add 10.96.0.50/32 dev lo\n",
            "<<'EOF'\nPEM\nEOF\n",
            "cat >> '/etc/hosts'",
            "--username 'o'\\''hara'",
            "SSL_CERT_FILE='/etc/containers/certs.d/docker-registry:5000/ca.crt'",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        use std::io::Write as _;
        let mut shell = std::process::Command::new("sh")
            .arg("-n")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        shell
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(shell.wait().unwrap().success());
    }
}
