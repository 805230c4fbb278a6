//! `cargo xtask`: kreg's own chores.

mod bench;
mod cache;
mod cluster;
mod demo;
mod e2e;
mod engine;
mod failure;
mod fuzz;
mod images;
mod lint;
mod needs;
mod node;
mod packages;
mod parts;
mod passed;
mod process;
mod progress;
mod real_parts;
mod stages;
mod test;
#[cfg(test)]
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::failure::Result;
use crate::parts::Generation;

/// kreg's own chores: a cluster, the tests on it, measurements.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// A throwaway cluster, `kreg up`, the proof, and how to look around
    ///
    /// The nodes are made of kind's own image, or of the one that KREG_NODE_IMAGE names, if Docker has it or
    /// can pull it. Otherwise an image is built here, as root on Debian.
    Demo(demo::Options),
    /// Everything that passes before a merge
    Test(test::Options),
    /// What clippy does not check: cycles, words, layers, unused dependencies, each library on its own
    Lint,
    /// Stories told on a real cluster with the real program
    E2e(e2e::Options),
    /// The OCI suite on a real cluster, and the page of its results in docs/
    Conformance(e2e::conformance::Options),
    /// Side by side with the tutorial typed by hand
    Bench(bench::Options),
    /// Every fuzz target for a bounded time
    Fuzz(fuzz::Options),
    /// The Docker engine that clusters and tests run on
    #[command(subcommand)]
    Engine(Engine),
    /// Build the images of tests and clusters from packages
    Images,
    /// Build kind's node image from packages
    NodeImage {
        /// Generation of Kubernetes
        #[arg(long, value_enum, default_value_t)]
        kubernetes: Generation,
    },
    /// A real cluster to work on
    #[command(subcommand)]
    Cluster(Cluster),
}

#[derive(Debug, Subcommand)]
enum Cluster {
    /// Make the cluster, or find it made
    Up {
        /// Its name
        #[arg(long, default_value = "kreg")]
        name: String,
        /// Who makes it
        #[arg(long, value_enum, default_value_t)]
        provider: Provider,
        /// The kubeconfig of an existing cluster
        #[arg(long, required_if_eq("provider", "existing"))]
        kubeconfig: Option<PathBuf>,
        /// Nodes in all: one control plane, the rest workers
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
        nodes: u8,
        /// Generation of Kubernetes
        #[arg(long, value_enum, default_value_t)]
        kubernetes: Generation,
        /// A node image that Docker has or can pull, such as kindest/node:v1.37.0
        #[arg(long)]
        node_image: Option<String>,
    },
    /// Take it away, whole or half made
    Down {
        /// Its name
        #[arg(long, default_value = "kreg")]
        name: String,
        /// Stop the Docker engine too, if it was started here
        #[arg(long)]
        engine: bool,
    },
    /// Show its nodes
    Status {
        /// Its name
        #[arg(long, default_value = "kreg")]
        name: String,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Provider {
    /// kind, on this machine
    #[default]
    Kind,
    /// Nobody: it exists
    Existing,
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
        Chore::Demo(options) => demo::run(&options),
        Chore::Test(options) => test::run(&options),
        Chore::Lint => lint::all(),
        Chore::E2e(options) => e2e::run(&options),
        Chore::Conformance(options) => e2e::conformance::write_page(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Images => images::build_all(),
        Chore::NodeImage { kubernetes } => node::image(kubernetes).map(progress::say),
        Chore::Cluster(chore) => cluster(chore),
        Chore::Engine(Engine::Up) => engine::up(),
        Chore::Engine(Engine::Down) => engine::down(),
        Chore::Engine(Engine::Status) => {
            progress::say(engine::describe()?);
            Ok(())
        }
    }
}

fn cluster(chore: Cluster) -> Result<()> {
    match chore {
        Cluster::Up {
            name,
            provider,
            kubeconfig,
            nodes,
            kubernetes,
            node_image,
        } => cluster::up(&cluster::Options {
            name,
            provider: match (provider, kubeconfig) {
                (Provider::Existing, Some(kubeconfig)) => {
                    cluster::Provider::Existing { kubeconfig }
                }
                _ => cluster::Provider::Kind,
            },
            nodes: usize::from(nodes),
            kubernetes,
            node_image: node_image.map_or(cluster::NodeImage::Built, cluster::NodeImage::Named),
        })
        .map(drop),
        Cluster::Down { name, engine } => cluster::down(&name, engine),
        Cluster::Status { name } => cluster::status(&name),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
