//! The library in a program of its own: the example of the crate `kreg` does what `kreg up` does.

use std::fs;
use std::time::Duration;

use super::steps::down;
use crate::e2e::call::Call;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, build};
use crate::failure::{Result, Tried as _};

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let example = scene.check("the example `registry` is built", |_| {
        let with = ["--workspace", "--all-features", "--quiet", "--example"];
        build("registry", &[with.as_slice(), &["registry"]].concat())
    })?;
    scene.afterwards("kreg down", down);
    scene.check("it ends with 0 and says that all is proved", |world| {
        let home = home(world)?;
        Call::new(&example)
            .args(["kreg.test/registry:2.8.2"])
            .env("HOME", home)
            .env("KUBECONFIG", &world.cluster.kubeconfig)
            .without_env("SSH_AUTH_SOCK")
            .limit(Duration::from_secs(300))
            .good()?
            .shows(&["docker-registry:5000 is proved: true"])
    })?;
    scene.check("kreg status finds that registry as its own", |world| {
        let status = world.kreg(["status", "--output", "json"]).good()?;
        status.shows(&["docker-registry:5000"])
    })?;
    scene.check("kreg verify proves it", |world| {
        world.kreg(["verify"]).good()
    })?;
    Ok(())
}

/// An account whose OpenSSH knows the nodes and has their key.
fn home(world: &World) -> Result<std::path::PathBuf> {
    let home = world.file("account");
    let ssh = home.join(".ssh");
    fs::create_dir_all(&ssh).tried(|| format!("make {}", ssh.display()))?;
    for name in ["id_ed25519", "known_hosts"] {
        let from = world.state_file(name);
        // Its mode too: 600, as ssh wants it.
        fs::copy(&from, ssh.join(name)).tried(|| format!("copy {}", from.display()))?;
    }
    Ok(home)
}
