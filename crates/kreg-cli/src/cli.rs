//! The command line, as clap reads it: all commands.

use clap::{Parser, Subcommand};

use crate::args::{Global, TargetArgs};
use crate::commands::{
    cert, doctor, down, export, gc, init, nodes, plan, secret, tunnel, up, user, verify,
};

/// A private image registry in any Kubernetes cluster: TLS and password protected,
/// trusted by every node, and proved by a real pull on each.
#[derive(Debug, Parser)]
#[command(name = "kreg", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 some nodes \
    not done, 4 proof failed, 5 changes pending or drift."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented kreg.toml
    Init(init::InitArgs),
    /// What `up` would change, objects and node files; touches nothing
    Plan(plan::PlanArgs),
    /// Put the registry up, make every node trust it, and prove it
    Up(up::UpArgs),
    /// Undo all of it; image data stays unless --delete-data
    Down(down::DownArgs),
    /// Registry, certificates, users, and which nodes trust it
    Status(TargetArgs),
    /// The proof: a fresh image, pushed and pulled on every node, with negative controls
    Verify(verify::VerifyArgs),
    /// Node trust on its own
    #[command(subcommand)]
    Nodes(nodes::NodesCommand),
    /// The registry's certificates: look, judge, renew, rotate the CA
    #[command(subcommand)]
    Cert(cert::args::CertCommand),
    /// Who may log in
    #[command(subcommand)]
    User(user::UserCommand),
    /// The pull secret in other namespaces and on their service accounts
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// What is wrong, why, and how to fix it; ends with the proof where nothing else shows a cause
    Doctor(doctor::DoctorArgs),
    /// Remove what no image needs any more from the registry's storage, safely
    Gc(gc::GcArgs),
    /// A local port to the registry for docker, podman, skopeo, crane and BuildKit
    Tunnel(tunnel::TunnelArgs),
    /// Manifests for GitOps, or the least rights that kreg needs
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// Completions for your shell, on stdout
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// The manual page, in roff, on stdout
    Man,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_word_of_it_has_help() {
        fn look(command: &clap::Command) {
            let name = command.get_display_name().unwrap_or(command.get_name());
            let about = command.get_about().map(ToString::to_string);
            assert!(about.is_some_and(|text| !text.is_empty()), "{name}");
            for word in command.get_arguments() {
                let help = word.get_help().map(ToString::to_string);
                let told = help.is_some_and(|text| text.chars().count() > 5);
                assert!(told, "{name}: {}", word.get_id());
            }
            command.get_subcommands().for_each(look);
        }
        let mut command = Cli::command();
        command.build();
        look(&command);
    }
}
