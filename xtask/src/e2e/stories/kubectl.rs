//! `kubectl kreg`, by the real kubectl.

use std::fs;
use std::path::PathBuf;

use crate::e2e::call::Call;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.check(
        "kubectl lists the plugin, and finds no fault with it",
        |world| {
            let listed = kubectl(world, &["plugin", "list"])?.good()?;
            let all = format!("{}{}", listed.stdout, listed.stderr);
            match all.contains("/kubectl-kreg\n") && !all.contains("warning") {
                true => Ok(()),
                false => Err(listed.wrong("see kubectl-kreg without a warning", "it is not so")),
            }
        },
    )?;
    scene.check("kubectl kreg --version says what kreg says", |world| {
        let own = Call::new(&world.kreg).args(["--version"]).read()?;
        kubectl(world, &["kreg", "--version"])?
            .good()?
            .shows(&[&own])
    })?;
    scene
        .check(
            "arguments reach it, and its exit code comes back",
            |world| {
                kubectl(world, &["kreg", "status", "--name", "No Label"])?
                    .ends_with(2)?
                    .says(&["No Label"])
            },
        )
        .map(drop)
}

/// kubectl, with a folder first on its `PATH` that holds both programs, as `cargo install` leaves them.
fn kubectl(world: &World, arguments: &[&str]) -> Result<Call> {
    let folder = world.file("bin");
    fs::create_dir_all(&folder).tried(|| format!("make {}", folder.display()))?;
    for (program, name) in [
        (world.kreg.clone(), "kreg"),
        (beside(world)?, "kubectl-kreg"),
    ] {
        let installed = folder.join(name);
        if !installed.exists() {
            fs::copy(&program, &installed).tried(|| format!("copy {}", program.display()))?;
        }
    }
    let path = format!("{}:/usr/bin:/bin", folder.display());
    Ok(world.kubectl(arguments.iter().copied()).env("PATH", path))
}

fn beside(world: &World) -> Result<PathBuf> {
    let plugin = world.kreg.with_file_name("kubectl-kreg");
    match plugin.is_file() {
        true => Ok(plugin),
        false => Err(Failure::new(
            "find kubectl-kreg",
            format!("there is no {}", plugin.display()),
        )
        .next("cargo build --package kreg-cli builds both")),
    }
}
