//! What is shown of files that others wrote: what may be a password is not.

/// Keys whose values are no secret in any file that runtimes read for registries: containerd's
/// hosts.toml, containers-registries.conf(5), k3s' registries.yaml. Whatever else there is may be
/// one, `Authorization` and `password` among them.
const HARMLESS: [&str; 15] = [
    "blocked",
    "ca",
    "ca_file",
    "capabilities",
    "client",
    "endpoint",
    "insecure",
    "insecure_skip_verify",
    "location",
    "override_path",
    "prefix",
    "server",
    "short-name-mode",
    "skip_verify",
    "unqualified-search-registries",
];

const MASK: &str = "***";

/// A line of such a file, without what may be secret in it.
pub(super) fn line(text: &str) -> String {
    let bare = text.trim_start_matches([' ', '\t', '#', '-']);
    let inner = bare.trim_start_matches('[');
    if inner.len() < bare.len() && bare.ends_with(']') && !inner.starts_with(['"', '\'']) {
        return url(text); // the head of a table
    }
    let Some(end) = bare.find(['=', ':']) else {
        // Words of a comment; else an item of a list whose key stands above it.
        return match text.trim_start().starts_with('#')
            || bare.trim_matches([']', '}', ',']).is_empty()
        {
            true => text.to_owned(),
            false => MASK.to_owned(),
        };
    };
    let key = bare[..end].trim().trim_matches(['"', '\'']);
    match HARMLESS.contains(&key) {
        true => url(text),
        false => {
            let shown = text.len() - bare.len() + end + 1;
            format!("{} {MASK}", &text[..shown])
        }
    }
}

/// URLs without the user and password that may stand in them.
pub(super) fn url(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let end = after
            .find(|c: char| c.is_whitespace() || "/\"'".contains(c))
            .unwrap_or(after.len());
        shown.push_str(before);
        rest = match after[..end].rfind('@') {
            Some(user) => {
                shown.push_str(MASK);
                &after[user..]
            }
            None => after,
        };
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        for text in [
            "Authorization = \"Basic geheim\"",
            "  authorization = [\"Basic geheim\"]",
            "  \"Basic geheim\",",
            "  [\"Basic geheim\"]",
            "header = { Authorization = \"Basic geheim\" }",
            "header.x-api-key = \"geheim\"",
            "# password = geheim",
            "#password: geheim",
            "      - Basic geheim",
            "    password: geheim",
            "    \"identitytoken\": \"geheim\",",
            "server = \"https://ann:geheim@r:5000\"",
            "[host.\"https://ann:ge@geheim@r:5000\"]",
        ] {
            let shown = line(text);
            assert!(!shown.contains("geheim"), "{shown}");
            assert!(shown.contains(MASK), "{shown}");
        }
        assert_eq!(line("  token = \"geheim\""), "  token = ***");
        assert_eq!(
            line("server = \"https://ann:geheim@r:5000\""),
            "server = \"https://***@r:5000\""
        );
    }

    #[test]
    fn what_tells_where_it_leads_is_shown() {
        for text in [
            "server = \"https://r:5000\"",
            "[host.\"https://10.96.0.50:5000\"]",
            "[host.\"https://10.96.0.50:5000\".header]",
            "  capabilities = [\"pull\", \"resolve\"]",
            "  ca = \"/etc/ca.crt\"",
            "  skip_verify = true",
            "location = \"10.96.0.50:5000\"",
            "# mine",
            "]",
            "",
        ] {
            assert_eq!(line(text), text);
        }
    }
}
