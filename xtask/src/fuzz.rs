//! `cargo xtask fuzz`: each target of `fuzz/` for a bounded time.
//!
//! What is committed in `fuzz/corpus` are the seeds. What the fuzzer finds on top is kept in the
//! cache and used by the next run; `--grow` takes from it what reaches code that no seed reaches.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cache;
use crate::e2e;
use crate::failure::{Failure, Result, Tried as _};
use crate::process::{self, Run};
use crate::progress::say;
use crate::stages::Stages;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// For so long each
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Only this target; may be repeated
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,

    /// Add to `fuzz/corpus` what reaches code that nothing there reaches yet
    #[arg(long)]
    grow: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let targets = chosen(&options.targets)?;
    let fuzzer = Fuzzer::find()?;
    let mut stages = Stages::new();
    let mut told = Vec::new();
    for target in &targets {
        stages.try_stage(target, || {
            told.push(fuzzer.fuzz(target, options.seconds)?);
            match options.grow {
                true => fuzzer.grow(target),
                false => Ok(()),
            }
        });
    }
    e2e::print(&stages.table());
    for line in told {
        e2e::print(&line);
    }
    match stages.failed().as_slice() {
        [] => Ok(()),
        failed => Err(
            Failure::new("fuzz every target without a crash", failed.join(", "))
                .next("the input and the way to run it again are above"),
        ),
    }
}

/// cargo-fuzz, and the compiler it needs.
struct Fuzzer {
    /// Program and first arguments.
    cargo: Vec<String>,
    /// Stable compilers take the sanitizers' flags only with this.
    bootstrap: bool,
}

impl Fuzzer {
    fn find() -> Result<Self> {
        let nightly = process::find("rustup").is_some()
            && Run::new("rustup")
                .args(["run", "nightly", "rustc", "--version"])
                .succeeds();
        let words: &[&str] = match nightly {
            true => &["rustup", "run", "nightly", "cargo"],
            false => &["cargo"],
        };
        let fuzzer = Self {
            cargo: words.iter().map(|word| (*word).to_owned()).collect(),
            bootstrap: !nightly,
        };
        if !fuzzer.call(&["fuzz", "--version"]).succeeds() {
            say("installing cargo-fuzz");
            let log = cache::log("cargo-fuzz")?;
            // Outside this folder: it is a program of its own, built by the default compiler.
            Run::new("cargo")
                .args(["install", "--locked", "cargo-fuzz"])
                .cwd(cache::root()?)
                .log(&log)
                .run()
                .map_err(|failure| failure.next("run `cargo install cargo-fuzz` by hand"))?;
        }
        Ok(fuzzer)
    }

    fn call(&self, arguments: &[&str]) -> Run {
        let run = Run::new(&self.cargo[0])
            .args(&self.cargo[1..])
            .args(arguments)
            .cwd(folder());
        match self.bootstrap {
            true => run.env("RUSTC_BOOTSTRAP", "1"),
            false => run,
        }
    }

    /// Fuzzes one target; returns what it did, in a line.
    fn fuzz(&self, target: &str, seconds: u32) -> Result<String> {
        let found = found(target)?;
        let artifacts = folder().join("artifacts").join(target);
        let known = files(&artifacts);
        let log = cache::log(&format!("fuzz-{target}"))?;
        let limit = format!("-max_total_time={seconds}");
        let ended = self
            .call(&["fuzz", "run", target])
            .arg(&found)
            .arg(seeds(target))
            .args(["--", &limit, "-timeout=10", "-print_final_stats=1"])
            .log(&log)
            .run();
        let new: Vec<_> = files(&artifacts).difference(&known).cloned().collect();
        if let Some(input) = new.first() {
            return Err(Failure::new(
                format!("fuzz {target}"),
                format!("it crashes on {}", input.display()),
            )
            .log(&log)
            .next(format!(
                "see it again: {} fuzz run {target} {}",
                self.cargo.join(" "),
                input.display()
            )));
        }
        ended?;
        let text = fs::read_to_string(&log).tried(|| format!("read {}", log.display()))?;
        Ok(summary(target, &text))
    }

    fn grow(&self, target: &str) -> Result<()> {
        let log = cache::log(&format!("fuzz-merge-{target}"))?;
        self.call(&["fuzz", "run", target])
            .arg(seeds(target))
            .arg(found(target)?)
            .args(["--", "-merge=1", "-max_len=4096"])
            .log(&log)
            .run()
    }
}

fn chosen(names: &[String]) -> Result<Vec<String>> {
    let all: Vec<String> = files(&folder().join("fuzz_targets"))
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    if let Some(stranger) = names.iter().find(|name| !all.contains(name)) {
        return Err(Failure::new(
            format!("find the target {stranger}"),
            "there is none of that name",
        )
        .next(format!("choose from {}", all.join(", "))));
    }
    Ok(match names {
        [] => all,
        some => some.to_vec(),
    })
}

/// How often it ran and what it reached, in libFuzzer's own numbers.
fn summary(target: &str, log: &str) -> String {
    let last = |key: &str| {
        log.lines()
            .rev()
            .find_map(|line| line.split_once(key)?.1.split_whitespace().next())
            .unwrap_or("?")
    };
    format!(
        "{target}: {} inputs, {} code edges reached, no crash",
        last("stat::number_of_executed_units:"),
        last("cov:")
    )
}

fn found(target: &str) -> Result<PathBuf> {
    cache::directory(&format!("fuzz/{target}"))
}

fn seeds(target: &str) -> PathBuf {
    folder().join("corpus").join(target)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Sorted; a directory that is not there has none.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_found_and_has_seeds() {
        let all = chosen(&[]).unwrap();
        assert!(all.contains(&"htpasswd".to_owned()), "{all:?}");
        for target in &all {
            assert!(!files(&seeds(target)).is_empty(), "{target}");
        }
        assert!(chosen(&["no such".to_owned()]).is_err());
    }

    #[test]
    fn the_last_numbers_of_the_log_count() {
        let log = "#2 INITED cov: 10 ft: 3\n#9 NEW    cov: 412 ft: 9\n\
                   stat::number_of_executed_units: 90000\nstat::peak_rss_mb: 400\n";
        assert_eq!(
            summary("t", log),
            "t: 90000 inputs, 412 code edges reached, no crash"
        );
    }
}
