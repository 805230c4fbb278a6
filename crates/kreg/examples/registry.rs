//! A registry in the cluster of the current kubeconfig, trusted by every node that `root` enters over SSH, and proved.

use std::error::Error;

use kreg::{Event, Intent, Registry, Scope, over_ssh};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::usual().await?;
    let nodes = over_ssh(&registry, "root");
    let shown = |event: &Event<'_>| println!("{event:?}");
    let up = registry
        .up(&Intent::of(&registry), Some(&nodes), &shown)
        .await?;
    let scope = Scope::default();
    let proof = registry
        .prove(&up.standing, scope, std::future::pending(), &shown)
        .await?;
    for check in &proof.report.checks {
        println!("{check}");
    }
    println!(
        "{} is proved: {}",
        registry.place().registry_name(),
        proof.holds()
    );
    Ok(())
}
