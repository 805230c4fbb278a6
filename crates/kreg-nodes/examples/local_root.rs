//! Trusts a registry in a directory tree, shows the diff, and takes it back.
//!
//! `cargo run -p kreg-nodes --example local_root -- /path/to/tree`

use kreg_nodes::{Fleet, InstanceId, LocalRoot, NameMode, Node, Trust};

const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tree = std::env::args().nth(1).ok_or("which directory?")?;
    let trust = Trust::new(
        InstanceId::new("docker-registry")?,
        "docker-registry:5000".parse()?,
        CA,
    )?
    .with_endpoint("10.96.0.50".parse()?)
    .with_names(NameMode::HostsFile);

    let local = LocalRoot::new(tree);
    let fleet = Fleet::new(&local);
    let nodes = [Node::new("tree", "")];
    for outcome in fleet.plan(&nodes, &trust) {
        match outcome.result {
            Ok(plan) => print!("{plan}"),
            Err(receipt) => println!("{receipt}"),
        }
    }
    let say = |receipt: &kreg_nodes::Receipt| println!("{receipt}");
    fleet.trust(&nodes, &trust, &say);
    fleet.trust(&nodes, &trust, &say);
    fleet.untrust(&nodes, trust.instance(), &say);
    Ok(())
}
