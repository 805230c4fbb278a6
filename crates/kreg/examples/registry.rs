//! A registry in the cluster of the current kubeconfig, trusted by every node that `root` enters over SSH, and proved.
//! The first argument is the image that it runs; without it, the library's own choice.

use std::error::Error;

use kreg::{Event, Intent, Registry, Scope, over_ssh};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::usual().await?;
    let nodes = over_ssh(&registry, "root");
    let shown = |event: &Event<'_>| println!("{event:?}");
    let mut intent = Intent::of(&registry);
    if let Some(image) = std::env::args().nth(1) {
        intent.spec = intent.spec.with_image(&image)?;
    }
    let up = registry.up(&intent, Some(&nodes), &shown).await?;
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
