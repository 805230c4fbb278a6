//! Makes a CA and a server certificate in the current directory:
//! `cargo run --example make_ca docker-registry 10.96.0.50`

use kreg_pki::{Authority, AuthorityRequest, Issuer, LeafRequest, San, write_secret_file};
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let names = env::args().skip(1).map(|name| name.parse::<San>());
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let ca = Authority::generate(&AuthorityRequest::new("example"))?;
    let leaf = ca.issue(&LeafRequest::new("registry").sans(names))?;
    fs::write("ca.crt", ca.certificate_pem())?;
    fs::write("tls.crt", leaf.chain_pem())?;
    write_secret_file("ca.key".as_ref(), ca.key_pem())?;
    write_secret_file("tls.key".as_ref(), leaf.key_pem())?;
    Ok(())
}
