//! Certificates that were issued elsewhere: given as files, or in a Secret as cert-manager writes it.

use std::time::Duration;

use super::cert::{same, served};
use super::{clients, report, steps::down};
use crate::e2e::call::{Call, Ran};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// The registry's address: whoever issues a certificate must know it.
const ADDRESS: &str = "10.96.77.5";
/// All that clients connect to.
const NAMES: &str = "DNS:docker-registry,DNS:docker-registry.kreg-system,DNS:docker-registry.kreg-system.svc,\
                     DNS:docker-registry.kreg-system.svc.cluster.local,IP:10.96.77.5";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("two CAs of a company and their leaves are made", |world| {
        ca(world, "old")?;
        ca(world, "new")?;
        leaf(world, "first", "old", NAMES)?;
        leaf(world, "second", "old", NAMES)?;
        leaf(world, "third", "new", NAMES)?;
        leaf(world, "fourth", "new", NAMES)?;
        leaf(world, "short", "old", "DNS:docker-registry")
    })?;
    scene.afterwards("kreg down", down);
    refused(scene)?;
    scene.check(
        "kreg up with files ends with 0, and proves every node",
        |world| report::proves_every_node(&up(world, "first", "old").good()?, world),
    )?;
    scene.afterwards("the clients on the nodes", |world| {
        clients::stop(world).map(drop)
    });
    scene.check("a client on every node starts asking", clients::start)?;
    scene.check(
        "no key of a CA is anywhere in the cluster, and lint finds no error",
        |world| {
            super::cert_forms::no_key_in_the_cluster(world)?;
            world.kreg(["cert", "lint"]).good()
        },
    )?;
    scene.check("the same files again: nothing is changed", |world| {
        report::says_unchanged(&up(world, "first", "old").good()?)
    })?;
    scene.check("a new leaf at the source: kreg up serves it", |world| {
        let before = served(world)?;
        report::proves_every_node(&up(world, "second", "old").good()?, world)?;
        another(&before, &served(world)?)
    })?;
    scene.check(
        "a new CA at the source: kreg up serves its leaf, and every node trusts it",
        |world| {
            let before = served(world)?;
            report::proves_every_node(&up(world, "third", "new").good()?, world)?;
            another(&before, &served(world)?)
        },
    )?;
    of_secret(scene)?;
    scene.check(
        "no client ever met a registry that it does not trust",
        clients::all_trusted,
    )
}

/// What clients would refuse is refused before anything is written.
fn refused(scene: &mut Scene<'_>) -> Result<()> {
    let mut refused =
        |what: &str, leaf: (&'static str, &'static str, &'static str), says: &'static [&str]| {
            scene.check(what, |world| {
                let (cert, key, ca) = leaf;
                with_files(world, cert, key, ca).ends_with(2)?.says(says)?;
                match world
                    .kubectl(["get", "namespace", "kreg-system"])
                    .ran()?
                    .code
                {
                    Some(0) => Err(Failure::new("see nothing made", "the namespace is there")),
                    _ => Ok(()),
                }
            })
        };
    refused(
        "a leaf without the Service's names and address is refused, and nothing made",
        ("short", "short", "old"),
        &["docker-registry.kreg-system", ADDRESS],
    )?;
    refused(
        "a leaf with another one's key is refused, and nothing made",
        ("first", "second", "old"),
        &["key"],
    )?;
    refused(
        "a leaf of another CA than the one to trust is refused, and nothing made",
        ("first", "first", "new"),
        &["nothing was changed"],
    )?;
    scene
        .check(
            "files without an address are refused, and --cluster-ip named",
            |world| {
                let file = |name: &str| world.file(name).display().to_string();
                let (cert, key, ca) = (file("first.crt"), file("first.key"), file("old.crt"));
                world
                    .kreg(["up", "--tls-cert", &cert, "--tls-key", &key, "--ca", &ca])
                    .ends_with(2)?
                    .says(&["--cluster-ip"])
            },
        )
        .map(drop)
}

/// The same from a Secret, whose content is replaced as cert-manager does it.
fn of_secret(scene: &mut Scene<'_>) -> Result<()> {
    const SECRET: &str = "company/registry-tls";
    scene.afterwards("namespace company", |world| {
        let words = ["delete", "namespace", "company", "--ignore-not-found"];
        world.kubectl(words).good().map(drop)
    });
    let up = |world: &World| {
        world
            .kreg([
                "up",
                "--output",
                "json",
                "--cluster-ip",
                ADDRESS,
                "--tls-secret",
                SECRET,
            ])
            .limit(Duration::from_secs(300))
            .good()
    };
    scene.check(
        "a Secret that is not there is named, and nothing changed",
        |world| {
            let before = served(world)?;
            world
                .kreg(["up", "--cluster-ip", ADDRESS, "--tls-secret", SECRET])
                .ends_with(2)?
                .says(&["company", "registry-tls"])?;
            same(&before, &served(world)?)
        },
    )?;
    scene.check(
        "a Secret with another leaf: kreg up serves that one",
        |world| {
            world.kubectl(["create", "namespace", "company"]).good()?;
            secret(world, "fourth", "new")?;
            let before = served(world)?;
            report::proves_every_node(&up(world)?, world)?;
            another(&before, &served(world)?)
        },
    )?;
    scene.check(
        "the Secret goes back to the old CA: the nodes first, then the leaf",
        |world| {
            let before = served(world)?;
            secret(world, "first", "old")?;
            report::proves_every_node(&up(world)?, world)?;
            another(&before, &served(world)?)
        },
    )
}

fn up(world: &World, leaf: &str, ca: &str) -> Call {
    with_files(world, leaf, leaf, ca)
}

fn with_files(world: &World, cert: &str, key: &str, ca: &str) -> Call {
    let file = |name: &str, kind: &str| world.file(&format!("{name}.{kind}")).display().to_string();
    world
        .kreg(["up", "--output", "json", "--cluster-ip", ADDRESS])
        .args([
            "--tls-cert",
            &file(cert, "crt"),
            "--tls-key",
            &file(key, "key"),
        ])
        .args(["--ca", &file(ca, "crt")])
        .limit(Duration::from_secs(300))
}

fn another(before: &str, now: &str) -> Result<()> {
    match before == now {
        false => Ok(()),
        true => Err(Failure::new("see another certificate served", before)),
    }
}

fn ca(world: &World, name: &str) -> Result<()> {
    let made = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={name} \
         -addext keyUsage=critical,keyCertSign,cRLSign -keyout {name}.key -out {name}.crt"
    );
    shell(world, &made).map(drop)
}

fn leaf(world: &World, name: &str, ca: &str, names: &str) -> Result<()> {
    let made = format!(
        "printf '%s\\n' subjectAltName={names} basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
         extendedKeyUsage=serverAuth subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >{name}.ext\n\
         openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=docker-registry \
         -keyout {name}.key -out {name}.csr\n\
         openssl x509 -req -in {name}.csr -CA {ca}.crt -CAkey {ca}.key -CAcreateserial -days 20 -extfile {name}.ext \
         -out {name}.crt"
    );
    shell(world, &made).map(drop)
}

/// As cert-manager writes it.
fn secret(world: &World, leaf: &str, ca: &str) -> Result<Ran> {
    let made = format!(
        "kubectl create secret generic registry-tls --namespace company --type kubernetes.io/tls --dry-run=client -o yaml \
         --from-file=tls.crt={leaf}.crt --from-file=tls.key={leaf}.key --from-file=ca.crt={ca}.crt | kubectl apply -f -"
    );
    shell(world, &made)
}

/// With the story's files at hand.
fn shell(world: &World, script: &str) -> Result<Ran> {
    let kubectl = world.state_file("kubectl");
    let script = format!(
        "set -euo pipefail\nkubectl() {{ {} \"$@\"; }}\n{script}",
        kubectl.display()
    );
    Call::new("bash")
        .args(["-c", &script])
        .cwd(world.file(""))
        .env("KUBECONFIG", &world.cluster.kubeconfig)
        .env("HOME", world.file(""))
        .good()
}
