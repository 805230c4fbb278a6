//! Clients on the nodes that ask again and again whether the registry is to be trusted, while a
//! story changes what it serves and what they trust.

use super::user::service_address;
use crate::cluster::Node;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// What kreg writes on a containerd node, and the node's own client reads here.
const TRUST: &str = "/etc/containerd/certs.d/docker-registry:5000/ca.crt";
/// Where they live on a node; gone with its next start at the latest.
const HOME: &str = "/run/kreg-story";

/// Starts one on every node: openssl with the node's own trust, by the Service's address.
pub(super) fn start(world: &World) -> Result<()> {
    for node in &world.cluster.nodes {
        let ask = ask(world, TRUST)?;
        let script = format!(
            "rm -rf {HOME}; mkdir -p {HOME}\n\
             cat > {HOME}/loop <<'LOOP'\n\
             while [ ! -e {HOME}/stop ]; do\n{ask}sleep 0.1\ndone >> {HOME}/answers\n\
             LOOP\n\
             setsid bash {HOME}/loop </dev/null >/dev/null 2>&1 &"
        );
        world.on(node, &script).good()?;
    }
    Ok(())
}

/// Stops them. Harmless if none runs.
pub(super) fn stop(world: &World) -> Result<Vec<String>> {
    let script = format!(
        "mkdir -p {HOME}; touch {HOME}/stop; sleep 3\n\
         if [ -e {HOME}/answers ]; then sort {HOME}/answers | uniq -c; fi\n\
         rm -rf {HOME}"
    );
    let mut all = Vec::new();
    for node in &world.cluster.nodes {
        let answers = world.on(node, &script).read()?;
        let line = |line: &str| format!("{}: {}", node.name, line.trim());
        all.extend(answers.lines().map(line));
    }
    Ok(all)
}

/// Stops them: each was answered, and none met a certificate of kreg's that it does not trust.
pub(super) fn all_trusted(world: &World) -> Result<()> {
    let told = stop(world)?;
    let (good, bad): (Vec<_>, Vec<_>) = told.iter().partition(|line| line.ends_with(" trusted"));
    match (good.len() == world.cluster.nodes.len(), bad.as_slice()) {
        (true, []) => Ok(()),
        (false, []) => Err(Failure::new(
            "see a client answered on every node",
            format!("{told:?}"),
        )),
        (_, bad) => Err(Failure::new(
            "see no client that distrusts",
            format!("{bad:?}"),
        )),
    }
}

/// With another CA in the place of the node's own, such a client does distrust the registry.
pub(super) fn would_notice(world: &World, node: &Node) -> Result<()> {
    let other = format!("{HOME}-other.crt");
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj '/O=other' \
         -keyout /dev/null -out {other} 2>/dev/null\n{}rm -f {other}",
        ask(world, &other)?
    );
    let told = world.on(node, &script).read()?;
    match told.contains("distrusted") {
        true => Ok(()),
        false => Err(Failure::new("see it distrust", format!("it says `{told}`"))),
    }
}

/// One question: says `trusted`, `distrusted` with the reason, or nothing.
///
/// While the registry restarts nobody answers there, or somebody else to whom the network around
/// the cluster leads; so only certificates that kreg's own CAs have signed count.
fn ask(world: &World, trust: &str) -> Result<String> {
    let address = service_address(world)?;
    Ok(format!(
        "told=$(timeout 2 openssl s_client -connect {address}:5000 -verify_ip {address} \
         -CAfile {trust} </dev/null 2>&1 || true)\n\
         case $told in\n\
         *'Verify return code: 0 (ok)'*) echo trusted ;;\n\
         *'O = kreg,'* | *'O=kreg,'*) echo \"distrusted: $(echo \"$told\" | grep -m 1 'Verify return')\" ;;\n\
         esac\n"
    ))
}
