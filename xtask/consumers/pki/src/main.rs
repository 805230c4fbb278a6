//! Makes a CA, and the certificate of a registry with its key.

use kreg_pki::{Authority, AuthorityRequest, Issuer as _, LeafRequest, write_secret_file};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ca = Authority::generate(&AuthorityRequest::new("docker-registry"))?;
    let names = ["docker-registry".parse()?, "10.96.0.50".parse()?];
    let leaf = ca.issue(&LeafRequest::new("docker-registry").sans(names))?;
    std::fs::write("ca.crt", ca.certificate_pem())?;
    std::fs::write("tls.crt", leaf.chain_pem())?;
    write_secret_file("tls.key".as_ref(), leaf.key_pem())?;
    Ok(())
}
