//! A registry with trust on every node, and the proof.

use kreg::{Intent, Registry, Scope, over_ssh, silent};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::usual().await?;
    let (intent, nodes) = (Intent::of(&registry), over_ssh(&registry, "root"));
    let up = registry.up(&intent, Some(&nodes), &silent).await?;
    let proof = registry.prove(&up.standing, Scope::default(), std::future::pending(), &silent);
    assert!(proof.await?.holds());
    Ok(())
}
