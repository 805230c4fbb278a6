//! `cargo xtask`: kreg's own chores.

mod cache;
mod engine;
mod failure;
mod images;
mod packages;
mod process;
mod progress;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Result;

/// kreg's own chores: a cluster, the tests on it, measurements.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// The Docker engine that clusters and tests run on
    #[command(subcommand)]
    Engine(Engine),
    /// Build the images of tests and clusters from packages
    Images,
}

#[derive(Debug, Subcommand)]
enum Engine {
    /// Start one if none answers
    Up,
    /// Stop the one that was started here
    Down,
    /// Say which one answers
    Status,
}

fn main() -> ExitCode {
    progress::start();
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::say(format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Images => images::build_all(),
        Chore::Engine(Engine::Up) => engine::up(),
        Chore::Engine(Engine::Down) => engine::down(),
        Chore::Engine(Engine::Status) => {
            progress::say(engine::describe()?);
            Ok(())
        }
    }
}
