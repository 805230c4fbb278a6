//! Writes what containerd needs to trust a registry.

use kreg_nodes::{InstanceId, Trust, containerd};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ca = std::fs::read_to_string("ca.crt")?;
    let id = InstanceId::new("docker-registry")?;
    let trust = Trust::new(id, "docker-registry:5000".parse()?, &ca)?;
    let trust = trust.with_endpoint("10.96.0.50".parse()?);
    std::fs::write("hosts.toml", containerd::hosts_toml(&trust))?;
    Ok(())
}
