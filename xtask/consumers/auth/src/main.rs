//! Adds a user to a registry's file, and prints the pull secret of this user.

use kreg_auth::{Cost, Credentials, ExposeSecret as _, Htpasswd, PullSecret};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let alice = Credentials::generate("alice")?;
    let mut users = Htpasswd::parse(&std::fs::read_to_string("htpasswd")?);
    users.add(&alice, Cost::DEFAULT)?;
    std::fs::write("htpasswd", users.to_bytes())?;
    let secret = PullSecret::for_registry(&"docker-registry:5000".parse()?, &alice);
    println!("{}", secret.to_json().expose_secret());
    Ok(())
}
