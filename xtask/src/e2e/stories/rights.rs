//! The least rights that `kreg export rbac` prints are enough, for setup and for operation; missing ones are named at
//! once, all of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    operation, report,
    steps::{down, namespace_complete},
};
use crate::e2e::call::Call;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

const NAMESPACE: &str = "kreg-system";
/// Where agents live.
const AGENTS: &str = "kreg-nodes";
const ROLE: &str = "kreg-docker-registry";
/// Where others work.
const TEAM: &str = "kreg-e2e-team";
const RBAC: &str = "rbac.yaml";
/// Who collects and diagnoses, and does nothing else.
const CARER: &str = "kreg-carer";
const CARER_RBAC: &str = "carer-rbac.yaml";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("the rights", |world| {
        let files = [operation::RBAC, CARER_RBAC, RBAC].map(|file| world.file(file));
        // One that was never written is of a story that ended before.
        for file in files.iter().filter(|file| file.exists()) {
            let words = ["delete", "--ignore-not-found", "--wait", "-f"];
            world.kubectl(words).args([file]).good()?;
        }
        Ok(())
    });
    scene.afterwards("the team's namespace", |world| {
        let words = ["delete", "namespace", TEAM, "--ignore-not-found", "--wait"];
        world.kubectl(words).good().map(drop)
    });
    scene.afterwards("kreg down", down);
    scene.check("a namespace of somebody else is there", |world| {
        world.kubectl(["create", "namespace", TEAM]).good()?;
        namespace_complete(world, TEAM)
    })?;
    scene.check(
        "kreg export rbac needs no cluster; kubectl takes it",
        |world| {
            let rbac = world
                .kreg_bare(["export", "rbac", "--for", "setup", "--namespaces", TEAM])
                .read()?;
            let file = world.write(RBAC, &rbac)?.display().to_string();
            world.kubectl(["apply", "-f", &file]).good()?;
            namespace_complete(world, NAMESPACE)
        },
    )?;
    scene.check(
        "another account gets what gc and doctor need, and no more",
        |world| {
            let words = ["export", "rbac", "--for", "gc,doctor", "--service-account"];
            let rbac = world.kreg_bare(words.iter().chain(&[CARER])).read()?;
            let file = world.write(CARER_RBAC, &rbac)?.display().to_string();
            world.kubectl(["apply", "-f", &file]).good()
        },
    )?;
    scene.check("a third account gets what operation needs", |world| {
        operation::grant(world, &["--namespaces", TEAM])
    })?;
    let limited = scene.check("a kubeconfig with only these rights is made", |world| {
        kubeconfig(world, NAMESPACE, "kreg")
    })?;
    let limited = limited.display().to_string();
    let carer = scene.check("and one for each of the other accounts", |world| {
        kubeconfig(world, NAMESPACE, operation::OPERATOR)?;
        kubeconfig(world, NAMESPACE, CARER)
    })?;
    let carer = carer.display().to_string();
    let whole = scene.check("every file and object is noted", Snapshot::take)?;
    let kreg = |world: &World, words: &[&str]| -> Call {
        world.kreg(words).args(["--kubeconfig", &limited])
    };
    scene.check(
        "they are not more: Secrets elsewhere are not seen",
        |world| {
            let words = ["get", "secrets", "--namespace", "kube-system"];
            world
                .kubectl(words)
                .args(["--kubeconfig", &limited])
                .ends_with(1)?
                .says(&["forbidden"])
        },
    )?;
    scene.check(
        "the operator cannot set it up, and is told what is missing",
        |world| {
            let up = operation::by(world, &["up"]).ends_with(1)?;
            up.says(&["create clusterroles.rbac.authorization.k8s.io in the cluster"])
        },
    )?;
    scene.check("kreg up ends with 0 and proves every node", |world| {
        let up = kreg(world, &["up", "--namespace", NAMESPACE, "--output", "json"]).good()?;
        report::proves_every_node(&up, world)
    })?;
    scene.check("kreg plan, status and up again: nothing to do", |world| {
        kreg(world, &["plan", "--exit-code"]).good()?;
        kreg(world, &["status"]).good()?;
        report::says_unchanged(&kreg(world, &["up", "--skip-verify", "--output", "json"]).good()?)
    })?;
    scene.check("kreg secret apply: there, and nowhere else", |world| {
        kreg(world, &["secret", "apply", "--namespaces", TEAM]).good()?;
        let account = world.get(["serviceaccount", "default", "--namespace", TEAM])?;
        match account["imagePullSecrets"][0]["name"] == "docker-registry-pull" {
            true => {}
            false => return Err(Failure::new("see the account pull with it", account)),
        }
        kreg(world, &["secret", "apply", "--namespaces", "kube-public"])
            .ends_with(1)?
            .says(&["kube-public", "forbidden"])
    })?;
    not_renewed(scene, &kreg)?;
    cared_for(scene, &carer, &limited)?;
    scene.check("kreg down ends with 0, and all is as before", |world| {
        kreg(world, &["down", "--delete-data", "--yes"]).good()?;
        // A volume's own deletion is its provisioner's and comes later.
        whole.await_return(world)
    })?;
    agents(scene, &kreg)?;
    scene.check("two of the rights are taken away", |world| {
        without(world, NAMESPACE, |resource| {
            ["deployments", "pods/portforward"].contains(&resource)
        })
    })?;
    let before = scene.check("they are noted, too", Snapshot::take)?;
    scene.check(
        "kreg up ends with 1 and names both and the way out",
        |world| {
            kreg(world, &["up"]).ends_with(1)?.says(&[
                "create deployments.apps in namespace kreg-system",
                "create pods/portforward in namespace kreg-system",
                "kreg export rbac",
            ])
        },
    )?;
    scene.check("nothing was changed", |world| {
        before.same(&Snapshot::take(world)?)
    })
}

/// Whoever may not renew a copy of the pull secret is told before anything is changed.
fn not_renewed(scene: &mut Scene<'_>, kreg: &dyn Fn(&World, &[&str]) -> Call) -> Result<()> {
    scene.check("the rights to the team's copy are taken away", |world| {
        without(world, TEAM, |resource| resource == "secrets")
    })?;
    let before = scene.check("all is noted", Snapshot::take)?;
    scene.check(
        "kreg up and secret apply end with 1 and name them",
        |world| {
            let renew = "patch secrets docker-registry-pull in namespace kreg-e2e-team";
            let up = ["up", "--network-policy", "--skip-verify"];
            let words = [renew, "nothing was changed", "kreg export rbac"];
            kreg(world, &up).ends_with(1)?.says(&words)?;
            let apply = ["secret", "apply", "--namespaces", TEAM];
            let create = "create secrets in namespace kreg-e2e-team";
            let words = [renew, create, "nothing was changed"];
            kreg(world, &apply).ends_with(1)?.says(&words)
        },
    )?;
    scene.check("nothing was changed", |world| {
        before.same(&Snapshot::take(world)?)
    })?;
    scene.check("the rights are back", |world| {
        let file = world.file(RBAC).display().to_string();
        world.kubectl(["apply", "-f", &file]).good().map(drop)
    })
}

/// Takes the rules for these resources out of kreg's role there.
fn without(world: &World, namespace: &str, resource: impl Fn(&str) -> bool) -> Result<()> {
    let mut role = world.get(["role", ROLE, "--namespace", namespace])?;
    if let Some(rules) = role["rules"].as_array_mut() {
        rules.retain(|rule| !rule["resources"][0].as_str().is_some_and(&resource));
    }
    world
        .kubectl(["replace", "-f", "-"])
        .input(role.to_string())
        .good()
        .map(drop)
}

/// gc and doctor with their own rights, and with those of `up`.
fn cared_for(scene: &mut Scene<'_>, carer: &str, limited: &str) -> Result<()> {
    let json = ["--output", "json"];
    scene.check(
        "the carer sees no list of Secrets, nor makes a Pod",
        |world| {
            for (verb, what) in [
                ("list", "secrets"),
                ("create", "pods"),
                ("delete", "deployments"),
            ] {
                let words = ["auth", "can-i", verb, what, "--namespace", NAMESPACE];
                world
                    .kubectl(words)
                    .args(["--kubeconfig", carer])
                    .ends_with(1)?;
            }
            Ok(())
        },
    )?;
    scene.check(
        "with the carer's rights kreg doctor looks everywhere, and says what it may not write for",
        |world| {
            let doctor = world.kreg(["doctor", "--kubeconfig", carer]).args(json);
            let told = doctor.good()?.json()?;
            let unseen = told["notLookedAt"].as_array().into_iter().flatten();
            let unseen: Vec<_> = unseen.filter_map(Value::as_str).collect();
            let begins = |line: &&str, words: &str| line.starts_with(words);
            match &unseen[..] {
                [changed, proof]
                    if begins(changed, "what was changed by hand: ")
                        && begins(proof, "whether nodes can pull: ") =>
                {
                    Ok(())
                }
                _ => Err(Failure::new("see it look everywhere else", told)),
            }
        },
    )?;
    scene.check("and kreg gc collects what the proof left", |world| {
        let gc = world
            .kreg(["gc", "--yes", "--kubeconfig", carer])
            .args(json);
        let told = gc.good()?.json()?;
        match (&told["blobs"].as_array(), told["readOnlySeconds"].as_f64()) {
            (Some(blobs), Some(_)) if !blobs.is_empty() => Ok(()),
            _ => Err(Failure::new("see blobs go", told)),
        }
    })?;
    scene.check(
        "with those of up alone gc names what lacks, at once",
        |world| {
            let gc = world.kreg(["gc", "--yes", "--kubeconfig", limited]);
            gc.ends_with(1)?.says(&[
                "create pods/exec in namespace kreg-system",
                "kreg export rbac",
                "--for",
            ])
        },
    )?;
    scene
        .check(
            "and doctor goes on, and names what lacks together",
            |world| {
                let doctor = world.kreg(["doctor", "--kubeconfig", limited]);
                doctor.good()?.shows(&[
                    "nothing found",
                    "missing rights: ",
                    "list pods in the cluster",
                    "list daemonsets.apps in the cluster",
                    "kreg export rbac --for doctor",
                ])
            },
        )
        .map(drop)
}

/// With agents on the nodes the exported rights have theirs, and are enough for the startup taint.
fn agents(scene: &mut Scene<'_>, kreg: &dyn Fn(&World, &[&str]) -> Call) -> Result<()> {
    scene.check(
        "without the rights of agents kreg up --nodes-by daemonset names them",
        |world| {
            kreg(world, &["up", "--nodes-by", "daemonset"])
                .ends_with(1)?
                .says(&[
                    "patch daemonsets.apps in namespace kreg-nodes",
                    "create pods/exec in namespace kreg-nodes",
                ])
        },
    )?;
    scene.check(
        "kreg export rbac --nodes-by daemonset --startup-taint has them",
        |world| {
            let words = [
                "export",
                "rbac",
                "--for",
                "setup",
                "--nodes-by",
                "daemonset",
            ];
            let rbac = world.kreg_bare(words).args(["--startup-taint"]).read()?;
            let file = world.write(RBAC, &rbac)?.display().to_string();
            world.kubectl(["apply", "-f", &file]).good()?;
            operation::grant(world, &["--nodes-by", "daemonset"])?;
            namespace_complete(world, AGENTS)
        },
    )?;
    let whole = scene.check("every file and object is noted", Snapshot::take)?;
    scene.afterwards("the taint", |world| {
        // Where it is off already this ends with 1.
        let off = ["taint", "node", "--all", "kreg.dev/untrusted-"];
        world.kubectl(off).ran().map(drop)
    });
    scene.check(
        "with them, on nodes that all have the taint, it trusts, proves and lifts",
        |world| {
            let taint = ["taint", "node", "--all", "kreg.dev/untrusted=:NoSchedule"];
            world.kubectl(taint).good()?;
            let up = [
                "up",
                "--nodes-by",
                "daemonset",
                "--startup-taint",
                "--adopt",
            ];
            let up = kreg(world, &up).args(["--output", "json"]).good()?;
            report::proves_every_node(&up, world)?;
            let nodes = world.cluster.nodes.iter();
            let all: BTreeSet<&str> = nodes.map(|node| node.name.as_str()).collect();
            match up.json()?["startupTaint"]["lifted"] == json!(all) {
                true => Ok(()),
                false => Err(up.wrong("see the taint lifted", &up.json()?["startupTaint"])),
            }
        },
    )?;
    scene.check(
        "the operator runs kreg up and status with the agents there",
        |world| {
            let words = ["up", "--nodes-by", "daemonset", "--startup-taint"];
            let up = operation::by(world, &words).args(["--skip-verify", "--output", "json"]);
            report::says_unchanged(&up.good()?)?;
            operation::by(world, &["status"]).good().map(drop)
        },
    )?;
    scene.check("kreg down ends with 0, and all is as before", |world| {
        kreg(world, &["down", "--delete-data", "--yes"]).good()?;
        whole.await_return(world)
    })
}

/// The cluster's own, with a token of a service account instead of the administrator.
pub(super) fn kubeconfig(world: &World, namespace: &str, account: &str) -> Result<PathBuf> {
    let token = token(world, namespace, account)?;
    let view = ["config", "view", "--minify", "--raw", "-o", "json"];
    let mut config: Value = world.kubectl(view).good()?.json()?;
    config["users"][0]["user"] = json!({ "token": token });
    world.write(&format!("{account}.json"), &config.to_string())
}

fn token(world: &World, namespace: &str, account: &str) -> Result<String> {
    let place = ["--namespace", namespace];
    let account = world.get(["serviceaccount", account].iter().chain(&place))?;
    // Until 1.24 Kubernetes made a Secret with a token for each account; since 1.24 kubectl asks for one.
    match account["secrets"][0]["name"].as_str() {
        Some(secret) => {
            let token = "--output=go-template={{.data.token | base64decode}}";
            let words = ["get", "secret", secret, token];
            world.kubectl(words.iter().chain(&place)).read()
        }
        None => {
            let account = account["metadata"]["name"].as_str().unwrap_or_default();
            let words = ["create", "token", account];
            world.kubectl(words.iter().chain(&place)).read()
        }
    }
}
