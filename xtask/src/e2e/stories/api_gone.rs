//! The API server goes away while `kreg up` writes to it.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::{report, steps::down};
use crate::e2e::proxy::CuttingProxy;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};

const NAMESPACE: &str = "kreg-system";
/// Attempts to find a budget that ends between the first object and the last.
const ATTEMPTS: usize = 12;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    let whole = scene.check(
        "a whole up through the proxy is measured, then undone",
        |world| {
            let proxy = CuttingProxy::start(server(world)?, u64::MAX)?;
            up_through(world, &proxy)?.ended_with(0)?;
            down(world)?;
            Ok(proxy.sent())
        },
    )?;
    scene.check(
        "an up is cut between its first object and its last: it ends with 1 and says where",
        |world| cut_half_way(world, whole),
    )?;
    scene.check("kreg up completes it and proves every node", |world| {
        let up = world.kreg(["up", "--output", "json"]).good()?;
        report::proves_every_node(&up, world)
    })?;
    scene.check("kreg down ends with 0", down)?;
    scene.check(
        "the API server itself is restarted under an up, which goes on and proves every node",
        restarted,
    )
}

/// A static Pod: the kubelet starts it anew at once.
fn restarted(world: &World) -> Result<()> {
    let (sender, lines) = mpsc::channel();
    let up = world.kreg(["up", "--output", "json"]).start(Some(sender))?;
    let began = lines.recv_timeout(Duration::from_secs(60));
    began.tried(|| "see kreg up begin".to_owned())?;
    world
        .on(world.control_plane()?, "kill -9 $(pidof kube-apiserver)")
        .good()?;
    report::proves_every_node(&up.wait()?.ended_with(0)?, world)
}

/// Halves the interval of budgets until a cut leaves the first object made and the last one not.
fn cut_half_way(world: &World, whole: u64) -> Result<()> {
    let (mut low, mut high) = (0, whole);
    for _ in 0..ATTEMPTS {
        let budget = low + (high - low) / 2;
        let proxy = CuttingProxy::start(server(world)?, budget)?;
        let ran = up_through(world, &proxy)?;
        let (first, last) = (
            exists(world, "namespace", NAMESPACE)?,
            exists(world, "deployment", "docker-registry")?,
        );
        if !proxy.is_cut() || last {
            high = budget;
        } else if !first {
            low = budget;
        } else {
            let address = proxy.address().to_string();
            return ran
                .ended_with(1)?
                .says(&["error:", "run the same command again"])?
                .says_one_of(&[address.as_str(), "API server"])
                .map(drop);
        }
        down(world)?;
    }
    Err(Failure::new(
        "cut an up half way",
        format!("no budget between 0 and {whole} bytes did it in {ATTEMPTS} attempts"),
    ))
}

fn up_through(world: &World, proxy: &CuttingProxy) -> Result<crate::e2e::call::Ran> {
    let kubeconfig = world.state("kubeconfig")?;
    let through = through(&kubeconfig, &server_url(world)?, proxy.address())?;
    let file = world.write("kubeconfig-through-proxy", &through)?;
    let file = file.to_string_lossy();
    world
        .kreg(["up", "--timeout", "30s", "--kubeconfig", &file])
        .ran()
}

fn exists(world: &World, kind: &str, name: &str) -> Result<bool> {
    let arguments = [
        "get",
        kind,
        name,
        "--namespace",
        NAMESPACE,
        "--ignore-not-found",
        "-o",
        "name",
    ];
    Ok(!world.kubectl(arguments).read()?.is_empty())
}

fn server_url(world: &World) -> Result<String> {
    let config = world
        .kubectl(["config", "view", "--minify", "-o", "json"])
        .good()?
        .json()?;
    match &config["clusters"][0]["cluster"]["server"] {
        Value::String(server) => Ok(server.clone()),
        other => Err(Failure::new("read the API server's address", other)),
    }
}

fn server(world: &World) -> Result<SocketAddr> {
    let url = server_url(world)?;
    let authority = url.trim_start_matches("https://").trim_end_matches('/');
    authority
        .to_socket_addrs()
        .tried(|| format!("resolve {authority}"))?
        .next()
        .ok_or_else(|| Failure::new(format!("resolve {authority}"), "it has no address"))
}

/// The kubeconfig with the proxy's address; the certificate is still that of the server's name.
fn through(kubeconfig: &str, url: &str, proxy: SocketAddr) -> Result<String> {
    let line = format!("server: {url}");
    if !kubeconfig.contains(&line) {
        return Err(Failure::new(
            "find the server in the kubeconfig",
            format!("no `{line}`"),
        ));
    }
    let host = url.trim_start_matches("https://");
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    Ok(kubeconfig.replace(
        &line,
        &format!("server: https://{proxy}\n    tls-server-name: \"{host}\""),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_takes_the_servers_place_and_the_servers_name_is_kept() {
        let before = "clusters:\n- cluster:\n    server: https://127.0.0.1:6443\n  name: k\n";
        let proxy = "127.0.0.1:7777".parse().unwrap();
        let after = through(before, "https://127.0.0.1:6443", proxy).unwrap();
        assert_eq!(
            after,
            "clusters:\n- cluster:\n    server: https://127.0.0.1:7777\n    tls-server-name: \"127.0.0.1\"\n  name: k\n"
        );
        assert!(through(before, "https://other:1", proxy).is_err());
    }
}
