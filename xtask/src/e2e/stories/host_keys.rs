//! Host keys that are unknown, or not the known ones.

use std::path::PathBuf;

use super::{report, steps::down};
use crate::cluster::Node;
use crate::e2e::story::Scene;
use crate::failure::{Failure, Result};
use crate::process::Run;

pub(super) fn unknown(scene: &mut Scene<'_>) -> Result<()> {
    let node = scene.world.node(1)?;
    scene.afterwards("kreg down", down);
    let file = scene.check(&format!("known_hosts lacks {}", node.name), |world| {
        let all = world.state("known_hosts")?;
        let (own, others) = split(&all, node)?;
        let file = world.write("known_hosts", &others)?;
        Ok((file, others, own))
    })?;
    let (file, text, own) = file;
    let fingerprints = scene.check("the key's fingerprint is known to the test", |_| {
        fingerprints(&own)
    })?;
    let flag = file.to_string_lossy().into_owned();
    let up = scene.check(
        "kreg up ends with 3, shows the fingerprint and how to add it",
        |world| {
            let fingerprints: Vec<&str> = fingerprints.iter().map(String::as_str).collect();
            world
                .kreg(["up", "--output", "json", "--ssh-known-hosts", &flag])
                .ends_with(3)?
                .says(&[&node.name, "known_hosts"])?
                .says_one_of(&fingerprints)?
                .says(&[">> "])
        },
    )?;
    scene.check("the key was not written down", |_| unchanged(&file, &text))?;
    scene.check("the other nodes are done and proved", |world| {
        report::proves_all_but(&up, world, node)
    })?;
    scene.check(
        "with --ssh-accept-new it ends with 0 and remembers the key",
        |world| {
            let flags = ["up", "--ssh-known-hosts", &flag, "--ssh-accept-new"];
            world.kreg(flags).good()?;
            match unchanged(&file, &text) {
                Err(_) => Ok(()),
                Ok(()) => Err(Failure::new(
                    "see the key in known_hosts",
                    "it is not there",
                )),
            }
        },
    )
}

pub(super) fn changed(scene: &mut Scene<'_>) -> Result<()> {
    let node = scene.world.node(1)?;
    let other = scene.world.node(2)?;
    scene.afterwards("kreg down", down);
    let (file, text, line) = scene.check("known_hosts has another key for a node", |world| {
        let all = world.state("known_hosts")?;
        let (own, others) = split(&all, node)?;
        let (strange, _) = split(&all, other)?;
        let hosts = own.split_whitespace().next().unwrap_or_default();
        let swapped: String = strange
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(_, key)| format!("{hosts} {key}\n"))
            .collect();
        let line = others.lines().count() + 1;
        let text = others + &swapped;
        Ok((world.write("known_hosts", &text)?, text, line))
    })?;
    let flag = file.to_string_lossy().into_owned();
    for more in [None, Some("--ssh-accept-new")] {
        let what = format!(
            "kreg up {} ends with 3, names file and line",
            more.unwrap_or_default()
        );
        let up = scene.check(&what, |world| {
            let flags = ["up", "--output", "json", "--ssh-known-hosts", &flag];
            // Which of the node's keys sshd offers is its choice: any of its lines will do.
            let lines: Vec<String> = (line..=text.lines().count())
                .map(|line| format!("{flag}:{line}"))
                .collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            world
                .kreg(flags.into_iter().chain(more))
                .ends_with(3)?
                .says(&[&node.name, "changed"])?
                .says_one_of(&lines)
        })?;
        scene.check("the other nodes are done and proved", |world| {
            report::proves_all_but(&up, world, node)
        })?;
    }
    scene.check("known_hosts is as it was", |_| unchanged(&file, &text))
}

/// The lines of known_hosts for this node, and all others.
fn split(all: &str, node: &Node) -> Result<(String, String)> {
    let own = |line: &&str| {
        let hosts = line.split_whitespace().next().unwrap_or_default();
        hosts
            .split(',')
            .any(|host| host == node.address || host == node.name)
    };
    let text = |lines: Vec<&str>| {
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let (own, others): (Vec<&str>, Vec<&str>) = all.lines().partition(own);
    if own.is_empty() {
        return Err(Failure::new(
            format!("find {} in the cluster's known_hosts", node.address),
            "no line is for it",
        ));
    }
    Ok((text(own), text(others)))
}

/// `SHA256:…` of every key in these lines.
fn fingerprints(lines: &str) -> Result<Vec<String>> {
    let told = Run::new("ssh-keygen")
        .args(["-l", "-f", "-"])
        .input(lines)
        .read()?;
    Ok(told
        .split_whitespace()
        .filter(|word| word.starts_with("SHA256:"))
        .map(str::to_owned)
        .collect())
}

fn unchanged(file: &PathBuf, text: &str) -> Result<()> {
    match std::fs::read_to_string(file) {
        Ok(now) if now == text => Ok(()),
        Ok(_) => Err(Failure::new("see known_hosts unchanged", "it changed")),
        Err(why) => Err(Failure::new("read known_hosts", why)),
    }
}
