//! Copies an image from one registry to another.

use kreg_registry::{RegistryClient, RegistryHost, Transport, dial::TcpDial};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let trust = Transport::trusting(&std::fs::read_to_string("ca.crt")?)?;
    let dial = |host: &RegistryHost| std::sync::Arc::new(TcpDial::new(host.to_string()));
    let client = |host: RegistryHost| RegistryClient::new(host.clone(), dial(&host), trust.clone());
    let (image, tag) = ("team/app".parse()?, "v1".parse()?);
    client("old:5000".parse()?).pull_layout(&image, &tag, "image").await?;
    Ok(drop(client("new:5000".parse()?).push_archive("image", &image, &tag).await?))
}
