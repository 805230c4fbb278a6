//! Pushes an image out of an archive or a directory, or pulls one into a directory.
//!
//! `cargo run --release -p kreg-registry --example transfer -- push docker-registry:5000 10.96.0.50:5000 ca.crt
//! REPOSITORY TAG image.tar`, or `push|pull ... DIRECTORY`. User and password come on standard input, one a line.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use kreg_auth::Credentials;
use kreg_registry::dial::TcpDial;
use kreg_registry::{RegistryClient, Tag, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, host, address, ca, repository, tag, path] = arguments.as_slice() else {
        return Err("push|pull HOST:PORT ADDRESS:PORT CA REPOSITORY TAG PATH".into());
    };
    let mut login = String::new();
    std::io::stdin().read_to_string(&mut login)?;
    let (user, password) = login
        .trim_end()
        .split_once('\n')
        .ok_or("user and password, one a line")?;
    let client = RegistryClient::new(
        host.parse()?,
        Arc::new(TcpDial::new(address)),
        Transport::trusting(&std::fs::read_to_string(ca)?)?,
    )
    .with_credentials(&Credentials::new(user, password)?);
    let (repository, tag) = (repository.parse()?, tag.parse::<Tag>()?);
    let (digest, bytes) = match what.as_str() {
        "push" => {
            let pushed = client.push_archive(path, &repository, &tag).await?;
            (pushed.digest, pushed.bytes)
        }
        "pull" => {
            let pulled = client.pull_layout(&repository, &tag, path).await?;
            (pulled.digest, pulled.bytes)
        }
        _ => return Err("push or pull".into()),
    };
    writeln!(std::io::stdout(), "{digest} {bytes}")?;
    Ok(())
}
