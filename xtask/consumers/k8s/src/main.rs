//! Says whether a cluster is fit for a registry, and what the account may not do that it takes.

use kreg_k8s::{ClusterFacts, Connection, LiveCluster, Place, Profile, RegistrySpec, rights};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = LiveCluster::connect(&Connection::default()).await?;
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    ClusterFacts::read(&cluster).await?.check(&spec)?;
    rights::check(&cluster, &spec).await?;
    Ok(())
}
