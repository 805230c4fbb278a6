//! Prints what a node gets for its containerd to trust a registry, from facts that were read there: the CA
//! and `hosts.toml`. Needs no feature of this crate, no node and no cluster.
//!
//! The facts are what [`kreg_nodes::NodeProgram::probe`] prints on the node.

use kreg_nodes::{InstanceId, NodeFacts, NodePlan, Trust};

const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let facts = NodeFacts::decode(include_bytes!("facts.txt"))?;
    let instance = InstanceId::new("docker-registry")?;
    let trust = Trust::new(instance, "docker-registry:5000".parse()?, CA)?
        .with_endpoint("10.96.0.50".parse()?);
    for edit in NodePlan::decide(&facts, &trust)?.edits() {
        println!("# {}\n{}", edit.path(), edit.after());
    }
    Ok(())
}
