//! Adds a user with a fresh password to an htpasswd file, and prints the pull secret for it.
//!
//! `touch htpasswd && cargo run -p kreg-auth --example add_user -- htpasswd alice docker-registry:5000`
#![expect(clippy::print_stdout, reason = "the result of a program")]

use kreg_auth::{Cost, Credentials, ExposeSecret, Htpasswd, PullSecret, RegistryHost};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [file, user, host]: [String; 3] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "give a file, a user and a registry")?;
    let host: RegistryHost = host.parse()?;
    let credentials = Credentials::generate(user)?;
    let mut users = Htpasswd::load(file.as_ref())?;
    users.add(&credentials, Cost::DEFAULT)?;
    users.save(file.as_ref())?;
    let secret = PullSecret::for_registry(&host, &credentials);
    println!("{}", secret.to_json().expose_secret());
    Ok(())
}
