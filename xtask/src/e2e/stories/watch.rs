//! `kreg verify --watch`: what it counts while a CA is rotated, and while the registry is away.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{cert, report, s3, steps::down};
use crate::e2e::call::{Call, Ran, Running};
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};

/// A rotation on a busy machine; the watch is interrupted when it is over.
const LONGEST: &str = "10m";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let config = s3::with_server(scene)?;
    scene.afterwards("kreg down", down);
    scene.check("kreg up: two Pods on a bucket", |world| {
        s3::up(world, &config).args(["--skip-verify"]).good()
    })?;
    let metrics = scene.world.file("watch.prom");
    let counted = scene.check(
        "kreg cert renew --ca goes through, and not one pull failed",
        |world| {
            let watch = Watching::start(world, &["--metrics", &metrics.display().to_string()])?;
            let words = ["cert", "renew", "--ca", "--grace", "0s", "--output", "json"];
            let renewed = world.kreg(words).env("KREG_CONFIG", &config).ran();
            let watched = watch.end("-INT")?;
            let renewed = renewed?.ended_with(0)?;
            cert::phase_is(&renewed, "single", 1)?;
            let watched = watched.ended_with(0)?;
            let document = watched.json()?;
            for node in nodes(&watched, world)? {
                let passed = node["passed"].as_u64().unwrap_or_default();
                if passed < 3 || node["failed"] != 0 {
                    return Err(watched.wrong("see three pulls or more and none failed", node));
                }
            }
            // Fresh images went in under the old CA and under the new one.
            if document["pushes"]["pushed"].as_u64().unwrap_or_default() < 3 {
                return Err(watched.wrong("see fresh images pushed", &document["pushes"]));
            }
            match document["verdict"].as_str() {
                Some("pass") => nodes(&watched, world),
                _ => Err(watched.wrong("read verdict: pass", &document["verdict"])),
            }
        },
    )?;
    scene.check("the metrics file has the same counts", |_| {
        let text = std::fs::read_to_string(&metrics)
            .map_err(|why| Failure::new(format!("read {}", metrics.display()), why))?;
        for node in &counted {
            for result in ["passed", "failed"] {
                let name = node["node"].as_str().unwrap_or_default();
                let wanted = format!("node=\"{name}\",result=\"{result}\"}} {}\n", node[result]);
                if !text.contains(&wanted) {
                    return Err(Failure::new(format!("find `{wanted}`"), text));
                }
            }
        }
        Ok(())
    })?;
    away(scene)
}

/// Scaled to none: nobody answers at the Service's address.
fn away(scene: &mut Scene<'_>) -> Result<()> {
    let scale = |world: &World, replicas: &str| {
        let words = [
            "scale",
            "deployment/docker-registry",
            "--namespace",
            "kreg-system",
        ];
        world
            .kubectl(words)
            .args([format!("--replicas={replicas}")])
            .good()
    };
    scene.check(
        "scaled to 0: failures on every node, by cause, exit code 4",
        |world| {
            let watch = Watching::start(world, &[])?;
            scale(world, "0")?;
            watch.await_failures(world)?;
            // Not by SIGHUP, which is ignored wherever these stories are told under nohup.
            let watched = watch.end("-TERM")?.ended_with(4)?;
            for node in nodes(&watched, world)? {
                if node["causes"]["unreachable"].as_u64().unwrap_or_default() == 0 {
                    return Err(watched.wrong("see pulls fail as unreachable", node));
                }
            }
            watched.says(&["pulls failed"]).map(drop)
        },
    )?;
    scene.check("back again: kreg verify proves every node", |world| {
        scale(world, "2")?;
        world
            .kubectl(["rollout", "status", "deployment/docker-registry"])
            .args(["--namespace", "kreg-system", "--timeout=120s"])
            .good()?;
        world.kreg(["verify", "--only", "node-pull"]).good()
    })?;
    scene.check(
        "kreg verify with all that can be asked for, its report in every form",
        report::in_every_form,
    )?;
    scene.check(
        "what would prove nothing is refused, and what cannot be written, before anything is begun",
        |world| {
            let refused = |words: &[&str], says: &str| {
                let words = ["verify"].iter().chain(words);
                world.kreg(words).ends_with(2)?.says(&[says]).map(drop)
            };
            refused(&["--node", "typo"], "there is no node typo")?;
            refused(&["--watch", "--node", "typo"], "there is no node typo")?;
            refused(&["--only", "user"], "--users")?;
            refused(&["--only", "node-ca"], "--node-files")?;
            refused(&["--only", "cleanup"], "clears up after others")?;
            refused(&["--only", "tls", "--skip", "tls"], "skipped, too")?;
            refused(&["--report", "html=none/a.html"], "none/a.html")
        },
    )?;
    scene.check("SIGTERM ends a proof in its middle with 4", cut_off)?;
    scene.check(
        "no Pod of a watch or a proof is left",
        |world| match pods(world)?.len() {
            0 => Ok(()),
            _ => Err(Failure::new(
                "see no such Pod",
                format!("{:?}", pods(world)?),
            )),
        },
    )
}

fn pods(world: &World) -> Result<Vec<Value>> {
    let selector = "--selector=kreg.dev/verify-run";
    let pods = world.get(["pods", "--all-namespaces", selector])?;
    Ok(pods["items"].as_array().cloned().unwrap_or_default())
}

fn cut_off(world: &World) -> Result<()> {
    // On a machine that is in no hurry to list Pods a proof may be at its end by then.
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let running = world.kreg(["verify"]).start(None)?;
        let id = running.id().to_string();
        await_that("a proof has Pods", Duration::from_secs(60), || {
            Ok(match pods(world)?.is_empty() {
                false => Ok(()),
                true => Err("there is none".to_owned()),
            })
        })?;
        // It may be gone.
        Call::new("kill").args(["-TERM", &id]).ran()?;
        let ran = running.wait()?;
        if ran.code != Some(0) {
            return ran.ended_with(4)?.says(&["interrupted"]).map(drop);
        }
    }
    Err(Failure::new(
        "end a proof in its middle",
        "each was at its end",
    ))
}

/// A watch under way.
struct Watching {
    running: Running,
    lines: mpsc::Receiver<String>,
}

impl Watching {
    /// Returns when the first pulls are counted.
    fn start(world: &World, more: &[&str]) -> Result<Self> {
        let (send, lines) = mpsc::channel();
        let words = ["verify", "--watch", "--every", "2s", "--for", LONGEST];
        let running = world
            .kreg(words)
            .args(["--output", "json"])
            .args(more)
            .limit(Duration::from_secs(900))
            .start(Some(send))?;
        let watching = Self { running, lines };
        watching.await_line("pulls on every node", |line| {
            let each = world.cluster.nodes.iter();
            line.starts_with('·')
                && each
                    .map(|node| format!(" {} ", node.name))
                    .all(|name| line.contains(&name) && !line.contains(&format!("{name}0")))
        })?;
        Ok(watching)
    }

    fn await_failures(&self, world: &World) -> Result<()> {
        // In whatever order they come; each is told whole only once.
        let nodes = world.cluster.nodes.iter();
        let mut waiting: Vec<String> = nodes
            .map(|node| format!(" {}: unreachable", node.name))
            .collect();
        self.await_line("unreachable on every node", |line| {
            if line.starts_with('✗') {
                waiting.retain(|name| !line.contains(name));
            }
            waiting.is_empty()
        })
    }

    fn await_line(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> Result<()> {
        let mut seen = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if wanted(&line) => return Ok(()),
                Ok(line) => seen.push(line),
                Err(_) => {
                    return Err(Failure::new(
                        format!("hear the watch tell of {what}"),
                        format!("it said:\n{}", seen.join("\n")),
                    ));
                }
            }
        }
    }

    /// By a signal, such as `-INT`, which is a person's Ctrl-C.
    fn end(self, signal: &str) -> Result<Ran> {
        let id = self.running.id().to_string();
        Call::new("kill").args([signal, &id]).good()?;
        self.running.wait()
    }
}

fn nodes(watched: &Ran, world: &World) -> Result<Vec<Value>> {
    let document = watched.json()?;
    let nodes = document["nodes"].as_array().cloned().unwrap_or_default();
    match nodes.len() == world.cluster.nodes.len() {
        true => Ok(nodes),
        false => Err(watched.wrong("see every node counted", &document["nodes"])),
    }
}
