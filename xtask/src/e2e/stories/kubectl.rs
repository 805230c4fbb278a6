//! `kubectl kreg`, by the real kubectl.

use std::path::Path;

use crate::e2e::call::Call;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

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
    scene.check(
        "arguments reach it, and its exit code comes back",
        |world| {
            kubectl(world, &["kreg", "status", "--name", "No Label"])?
                .ends_with(2)?
                .says(&["No Label"])
        },
    )?;
    scene
        .check("without kreg beside it or on PATH it says so", |world| {
            let alone = world.file("kubectl-kreg");
            std::fs::copy(beside(world)?, &alone)
                .map_err(|why| Failure::new("copy kubectl-kreg", why.to_string()))?;
            Call::new(&alone)
                .env("PATH", "/nowhere")
                .ends_with(1)?
                .says(&["install kreg"])
        })
        .map(drop)
}

/// kubectl, with the folder of the program under test first on its `PATH`.
fn kubectl(world: &World, arguments: &[&str]) -> Result<Call> {
    let plugin = beside(world)?;
    let folder = plugin.parent().unwrap_or(Path::new("/"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", folder.display());
    Ok(world.kubectl(arguments.iter().copied()).env("PATH", path))
}

fn beside(world: &World) -> Result<std::path::PathBuf> {
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
