//! Trusts a registry on real nodes over SSH, then takes it back.
//!
//! ```text
//! cargo run -p kreg-nodes --example ssh_nodes -- \
//!   ~/.ssh/id_ed25519 ~/.ssh/known_hosts ca.crt 10.96.0.50 trust node1 node2
//! ```

use std::path::PathBuf;

use kreg_nodes::ssh::{Ssh, SshConfig};
use kreg_nodes::{Fleet, InstanceId, Node, Receipt, Trust};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("see the comment at the top for the arguments")
    };
    let (identity, known_hosts, ca) = (next()?, next()?, next()?);
    let (endpoint, what) = (next()?, next()?);
    let nodes: Vec<Node> = arguments
        .map(|address| Node::new(address.clone(), address))
        .collect();

    let instance = InstanceId::new("docker-registry")?;
    let ca_pem = std::fs::read_to_string(ca)?;
    let trust = Trust::new(instance.clone(), "docker-registry:5000".parse()?, &ca_pem)?
        .with_endpoint(endpoint.parse()?);
    let config = SshConfig::new("root")
        .identity(PathBuf::from(identity), None)
        .known_hosts(known_hosts);

    let ssh = Ssh::new(config);
    let fleet = Fleet::new(&ssh);
    let say = |receipt: &Receipt| {
        println!("{receipt} ({} ms)", receipt.millis);
        for warning in &receipt.warnings {
            println!("  warning: {warning}");
        }
    };
    match what.as_str() {
        "trust" => drop(fleet.trust(&nodes, &trust, &say)),
        "untrust" => drop(fleet.untrust(&nodes, &instance, &say)),
        "status" => fleet.status(&nodes, &trust).iter().for_each(say),
        _ => {
            for outcome in fleet.plan(&nodes, &trust) {
                match outcome.result {
                    Ok(plan) => print!("# {}\n{plan}", outcome.node.name),
                    Err(receipt) => say(&receipt),
                }
            }
        }
    }
    Ok(())
}
