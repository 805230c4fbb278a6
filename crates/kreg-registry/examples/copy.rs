//! Copies an image from one registry to another.
//!
//! `cargo run --release -p kreg-registry --example copy -- old.example.com:5000 old-ca.crt docker-registry:5000
//! ca.crt team/app v1`. Users and passwords come on standard input, one a line: user and password of the first
//! registry, then those of the second.

use std::io::Write as _;
use std::sync::Arc;

use kreg_auth::Credentials;
use kreg_registry::dial::TcpDial;
use kreg_registry::{RegistryClient, Repository, Tag, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, from_ca, to, to_ca, repository, tag] = arguments.as_slice() else {
        return Err("FROM-HOST:PORT FROM-CA TO-HOST:PORT TO-CA REPOSITORY TAG".into());
    };
    let mut lines = std::io::stdin().lines();
    let mut line = || lines.next().unwrap_or_else(|| Ok(String::new()));
    let from = client(from, from_ca, &Credentials::new(line()?, line()?)?)?;
    let to = client(to, to_ca, &Credentials::new(line()?, line()?)?)?;
    let (repository, tag): (Repository, Tag) = (repository.parse()?, tag.parse()?);

    // The directory is an OCI image layout: every platform of the image, each blob once.
    let folder = tempfile::tempdir()?;
    from.pull_layout(&repository, &tag, folder.path()).await?;
    let pushed = to.push_archive(folder.path(), &repository, &tag).await?;
    let (digest, sent, present) = (pushed.digest, pushed.sent, pushed.present);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{digest}: {sent} blobs sent, {present} were there already"
    )?;
    Ok(())
}

fn client(
    host: &str,
    ca: &str,
    user: &Credentials,
) -> Result<RegistryClient, Box<dyn std::error::Error>> {
    let transport = Transport::trusting(&std::fs::read_to_string(ca)?)?;
    let dial = Arc::new(TcpDial::new(host));
    Ok(RegistryClient::new(host.parse()?, dial, transport).with_credentials(user))
}
