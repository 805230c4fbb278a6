//! `kreg`: a private image registry in any Kubernetes cluster, trusted by every
//! node, and proved by a real pull on each. See `kreg --help`.

mod app;
mod args;
mod choices;
mod cli;
mod commands;
mod config;
mod confirm;
mod context;
mod error;
mod fixes;
mod fleet;
mod intent;
mod issued;
mod output;
mod progress;
mod proof;
mod s3;
mod session;
mod settings;
mod signals;
mod spec;
mod startup_taint;

fn main() -> std::process::ExitCode {
    app::main()
}
