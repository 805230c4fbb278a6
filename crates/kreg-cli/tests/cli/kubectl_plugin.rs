//! `kubectl-kreg`, which kubectl runs as `kubectl kreg`: the `kreg` beside it, word for word.

use std::fs;
use std::path::Path;

use crate::sandbox::Sandbox;

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-kreg");

#[test]
fn it_passes_everything_on_and_ends_as_kreg_ends() {
    let sandbox = Sandbox::new();
    let version = sandbox.answer(&mut sandbox.kreg(["--version"]));
    let plugin = || sandbox.program(Path::new(PLUGIN));
    assert_eq!(sandbox.answer(plugin().arg("--version")), version);
    let status = ["status", "--name", "No Label"];
    sandbox.refused(plugin().args(status), &["No Label"]);
}

#[test]
fn without_kreg_beside_it_or_on_path_it_says_so() {
    let sandbox = Sandbox::new();
    let alone = sandbox.path("kubectl-kreg");
    fs::copy(PLUGIN, &alone).unwrap();
    let mut command = sandbox.program(&alone);
    let assert = sandbox.untouched(command.env("PATH", "/nowhere")).code(1);
    let told = crate::sandbox::text(&assert.get_output().stderr);
    assert!(told.contains("install kreg"), "{told}");
}
