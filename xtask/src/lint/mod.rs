//! What clippy does not check: how the files of a crate and the crates of the workspace depend on each other, what
//! the libraries say, and which dependencies nothing uses.

mod allowance;
mod consumers;
mod imports;
mod layers;
mod modules;
mod packages;
mod tokens;
mod unused;
mod words;

use std::path::Path;

use crate::failure::{Failure, Result, Tried as _};
use crate::stages::Stages;

use allowance::{Allowance, Found};
use modules::Module;
use packages::Package;

/// Crates whose files import each other in cycles of more than two, with the number of these files.
const CYCLES: Allowance = Allowance {
    name: "CYCLES",
    known: &[],
};

/// Libraries with texts that name a flag or a command of `kreg`, with the number of these texts.
const WORDS: Allowance = Allowance {
    name: "WORDS",
    known: &[
        // An option of distribution's own collector.
        ("kreg", 1),
        // What a report calls itself, and the history of the image that is pushed.
        ("kreg-verify", 3),
    ],
};

/// The program's own uses of the Kubernetes client, which belong in kreg-k8s.
const DIRECT: Allowance = Allowance {
    name: "DIRECT",
    known: &[],
};

/// All checks, and nothing else.
pub(crate) fn all() -> Result<()> {
    let mut stages = Stages::new();
    run(
        &mut stages,
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
    );
    match stages.failed().as_slice() {
        [] => Ok(()),
        failed => Err(Failure::new("pass every check", failed.join(", "))),
    }
}

/// A stage for each check.
pub(crate) fn run(stages: &mut Stages, workspace: &Path) {
    stages.try_stage("import cycles", || {
        CYCLES.holds(&of_each(workspace, |_, modules| imports::cyclic(modules))?)
    });
    stages.try_stage("words of the libraries", || {
        let program = words::Program::of(workspace)?;
        WORDS.holds(&of_each(workspace, |package, modules| {
            if package.is_for_others() {
                words::said(modules, &program)
            } else {
                Vec::new()
            }
        })?)
    });
    stages.try_stage("dependencies point down", || {
        layers::point_down(&packages::of(workspace)?)?;
        DIRECT.holds(&of_each(workspace, |package, modules| {
            if package.name == "kreg-cli" {
                layers::direct(modules)
            } else {
                Vec::new()
            }
        })?)
    });
    stages.try_stage("unused dependencies", || unused::none(workspace));
    stages.try_stage("each library in a program of its own", || {
        consumers::check(workspace)
    });
}

/// What `look` finds in each program and library of each package.
fn of_each(workspace: &Path, look: impl Fn(&Package, &[Module]) -> Vec<String>) -> Result<Found> {
    let here = workspace.canonicalize();
    let here = here.tried(|| format!("find {}", workspace.display()))?;
    let here = format!("{}/", here.display());
    let mut found = Found::new();
    for package in packages::of(workspace)? {
        let lines = found.entry(package.name.clone()).or_default();
        for root in &package.roots {
            let new = look(&package, &modules::of(root)?);
            lines.extend(new.iter().map(|line| line.replace(&here, "")));
        }
    }
    Ok(found)
}
