//! Setup by an administrator, and all that comes after it by an account that can write no object of the whole cluster
//! except the registry's record.

use super::{report, rights, steps::down};
use crate::e2e::call::Call;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::Result;

const NAMESPACE: &str = "kreg-system";
pub(super) const OPERATOR: &str = "kreg-operator";
pub(super) const RBAC: &str = "operator-rbac.yaml";
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    // Before: what is in the namespace keeps it.
    scene.afterwards("the rights", |world| match world.file(RBAC) {
        file if file.exists() => {
            let words = ["delete", "--ignore-not-found", "--wait", "-f"];
            world.kubectl(words).args([file]).good().map(drop)
        }
        // The story ended before it was written.
        _ => Ok(()),
    });
    scene.check("an administrator's kreg up ends with 0", |world| {
        world.kreg(["up", "--skip-verify"]).good()
    })?;
    scene.check("the operator gets what kreg export rbac prints", |world| {
        grant(world, &[])?;
        rights::kubeconfig(world, NAMESPACE, OPERATOR)
    })?;
    scene.check(
        "it can write no cluster-scoped object except the record",
        cannot,
    )?;
    scene.check(
        "the operator's kreg up: nothing to do, every node proved",
        |world| {
            let up = by(world, &["up", "--output", "json"]).good()?;
            report::proves_every_node(&up, world)?;
            report::says_unchanged(&up)
        },
    )?;
    for words in [
        &["plan", "--exit-code"] as &[&str],
        &["status"],
        &["verify"],
        &["doctor"],
        &["cert", "renew"],
        &["user", "passwd", "kreg", "--generate"],
        &["gc", "--yes"],
        &["status"],
    ] {
        let what = format!("the operator's kreg {} ends with 0", words.join(" "));
        scene.check(&what, |world| by(world, words).good())?;
    }
    scene.check(
        "a Secret that is gone is created again, and the record knows it",
        |world| {
            let words = [
                "delete",
                "secret",
                "docker-registry-pull",
                "--namespace",
                NAMESPACE,
            ];
            world.kubectl(words).good()?;
            by(world, &["up", "--skip-verify"]).good()?;
            by(world, &["status"]).good().map(drop)
        },
    )?;
    unrestricted(scene)
}

fn cannot(world: &World) -> Result<()> {
    let config = world
        .file(&format!("{OPERATOR}.json"))
        .display()
        .to_string();
    for (verb, what) in [
        ("create", "namespaces"),
        ("patch", "namespaces/kreg-system"),
        ("update", "namespaces/kreg-system"),
        ("delete", "namespaces/kreg-system"),
        ("create", "persistentvolumes"),
        ("create", "clusterroles"),
        ("create", "clusterrolebindings"),
    ] {
        let words = ["auth", "can-i", verb, what, "--kubeconfig", &config];
        world.kubectl(words).ends_with(1)?;
    }
    Ok(())
}

/// Somebody takes Pod Security off the registry's namespace.
fn unrestricted(scene: &mut Scene<'_>) -> Result<()> {
    scene.check(
        "without Pod Security the operator's kreg status ends with 5 and says so",
        |world| {
            label(world, "privileged")?;
            let needles = [POD_SECURITY, "\"privileged\"", "\"restricted\""];
            by(world, &["status"])
                .ends_with(5)?
                .shows(&needles)
                .map(drop)
        },
    )?;
    scene.check(
        "kreg up ends with 1 and names the right that this takes",
        |world| {
            let up = by(world, &["up", "--skip-verify"]).ends_with(1)?;
            up.says(&[
                "patch namespaces kreg-system in the cluster",
                "nothing was changed",
            ])
        },
    )?;
    scene.check("an administrator's kreg up puts it back", |world| {
        world.kreg(["up", "--skip-verify"]).good()?;
        by(world, &["status"]).good().map(drop)
    })
}

fn label(world: &World, value: &str) -> Result<()> {
    let label = format!("{POD_SECURITY}={value}");
    let words = ["label", "namespace", NAMESPACE, &label, "--overwrite"];
    world.kubectl(words).good().map(drop)
}

/// Gives the operator what operation needs. The file has all of it but the namespaces, which are not the operator's.
pub(super) fn grant(world: &World, more: &[&str]) -> Result<()> {
    let words = ["export", "rbac", "--service-account", OPERATOR];
    let rbac = world.kreg_bare(words).args(more).read()?;
    world
        .kubectl(["apply", "-f", "-"])
        .input(rbac.clone())
        .good()?;
    let is_own = |document: &&str| !document.contains("kind: Namespace\n");
    let own: Vec<&str> = rbac.split("---\n").filter(is_own).collect();
    world.write(RBAC, &own.join("---\n")).map(drop)
}

/// kreg as the operator.
pub(super) fn by(world: &World, words: &[&str]) -> Call {
    let config = world.file(&format!("{OPERATOR}.json"));
    world.kreg(words).args(["--kubeconfig"]).args([config])
}
