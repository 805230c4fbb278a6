//! The words of `kreg cert`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kreg_pki::San;
use time::Duration;

use crate::args::TargetArgs;
use crate::choices::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// What the cluster holds, and what the registry serves: names, dates, keys, fingerprints.
    ///
    /// Ends with 5 if the registry serves another certificate than the cluster holds.
    Show(TargetArgs),
    /// What is wrong with the certificates, which clients refuse them for it, and what to do.
    ///
    /// Ends with 1 if there is an error; warnings alone, or nothing, end with 0.
    /// With --cert it looks at files alone and needs no cluster.
    Lint(LintArgs),
    /// A new certificate from the same CA; with --ca, a new CA
    Renew(RenewArgs),
    /// A new CA: the same as `renew --ca`
    RotateCa(RenewArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// The registry's certificate or chain, PEM, instead of what the cluster holds
    #[arg(long, value_name = "FILE", requires = "ca")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key that belongs to it, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// What clients are told to trust, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) ca: Option<PathBuf>,

    /// A name or address that clients use; may be repeated [default in a cluster: all of the
    /// Service's names and its address]
    #[arg(long = "endpoint", value_name = "NAME|IP")]
    pub(crate) endpoints: Vec<San>,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RenewArgs {
    /// Replace the CA too: both are trusted for a while, and the registry's certificate moves to
    /// the new one only when every node is known to trust it. Run again, it goes on from where
    /// the cluster stands
    #[arg(long)]
    pub(crate) ca: bool,

    /// Say what would be done; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Only if less than a third of the certificate's life is left
    #[arg(long, conflicts_with = "ca")]
    pub(crate) if_due: bool,

    /// Leave the proof out (with --ca it is never left out: the old CA goes only after it)
    #[arg(long)]
    pub(crate) skip_verify: bool,

    /// The file that keeps the CA's private key, where it is not in the cluster; during a
    /// rotation FILE.old and FILE.new stand beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) rotation: RotationArgs,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "With --ca")]
pub(crate) struct RotationArgs {
    /// How long both CAs stay trusted after the switch, e.g. 0s or 48h [default: 168h]. Until it
    /// is over the command ends with 5; run it again then
    #[arg(long, value_parser = grace, value_name = "TIME")]
    pub(crate) grace: Option<Duration>,

    /// A node that need not be waited for; may be repeated
    #[arg(long = "excuse", value_name = "NODE")]
    pub(crate) excused: Vec<String>,

    /// Go on with a rotation that is under way; begin none
    #[arg(long, conflicts_with = "roll_back")]
    pub(crate) finish: bool,

    /// Go back to the old CA, from wherever the rotation stands
    #[arg(long)]
    pub(crate) roll_back: bool,
}

fn grace(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        other => Duration::try_from(duration(other)?).map_err(|_| "it is too long".to_owned()),
    }
}
