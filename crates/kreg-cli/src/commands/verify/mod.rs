//! `kreg verify`: the proof on its own, with reports, and as a watch.

mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use kreg::Scope;
use kreg_auth::{Credentials, UserListError};
use kreg_verify::{CHECKS, Report, ReportFile};

use crate::args::TargetArgs;
use crate::choices::{duration, text_of};
use crate::context::App;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::Nodes;
use crate::output;
use crate::proof;
use crate::session::Session;
use crate::startup_taint::TaintArgs;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Only these nodes
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,

    /// Only these checks, and what they build on
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = names())]
    only: Vec<String>,

    /// All checks but these, and what builds on them
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = names(), hide_possible_values = true)]
    skip: Vec<String>,

    /// Also write a report: junit=FILE, html=FILE or json=FILE; may be repeated
    #[arg(long = "report", value_name = "KIND=FILE")]
    reports: Vec<ReportFile>,

    /// Also let these users in: a file with a line `name:password` for each, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// Also read, by ssh, what every node trusts, and judge it against what is served
    #[arg(long)]
    node_files: bool,

    #[command(flatten)]
    taint: TaintArgs,

    #[command(flatten)]
    watch: WatchArgs,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Watch")]
struct WatchArgs {
    /// Keep pulling a fresh image on every node, and count; ends on Ctrl-C, with 4 if a pull failed
    #[arg(long, conflicts_with_all = ["only", "skip", "reports", "users", "node_files", "startup_taint"])]
    watch: bool,

    /// Time between two pulls on a node, at least 1s; each costs the registry about four
    /// requests with a password, and the node one Pod
    #[arg(long, value_parser = duration, default_value = "2s", requires = "watch", value_name = "TIME")]
    every: Duration,

    /// End by itself after this time
    #[arg(long = "for", value_parser = duration, requires = "watch", value_name = "TIME")]
    length: Option<Duration>,

    /// Keep the counts in this file, for node_exporter's textfile collector (name it *.prom)
    #[arg(long, requires = "watch", value_name = "FILE")]
    metrics: Option<PathBuf>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKS.map(|(name, title)| {
        let value = clap::builder::PossibleValue::new(name);
        value.help(title)
    }))
}

pub(crate) async fn run(app: &App, args: &VerifyArgs) -> Result<Ending, Error> {
    // Files first: a bad one costs no proof.
    let users = match &args.users {
        Some(file) => users(file)?,
        None => Vec::new(),
    };
    for report in &args.reports {
        report.check_place().map_err(|cause| {
            Error::usage(format!("cannot write the report {report}"))
                .because(&cause)
                .help("make its folder first, or name another file")
        })?;
    }
    let session = Session::open(app, &args.target, true).await?;
    session.registry.knows_nodes(&args.nodes)?;
    let standing = session.registry.standing().await?;
    let taint = args.taint.taint(&app.config)?;
    if args.watch.watch {
        return watch::run(app, &session, &standing, &args.nodes, &args.watch).await;
    }
    let node_trust = if args.node_files {
        let nodes = Nodes::new(&session, &args.nodes)?;
        session
            .registry
            .node_trust(&standing, nodes.access(), &session.on)?
    } else {
        Vec::new()
    };
    let scope = Scope {
        nodes: args.nodes.clone(),
        only: args.only.clone(),
        skip: args.skip.clone(),
        stored_chain: true,
        users,
        node_trust,
        ..Scope::default()
    };
    let waiting = match taint {
        Some(taint) => Some(session.registry.waiting(taint).await?),
        None => None,
    };
    let proof = proof::prove(&session, &standing, scope).await?;
    // First the result: what goes wrong after it does not cost it.
    output::whole(app.global.output, &proof.report, |_| proof::table(&proof))?;
    let lifted = match &waiting {
        Some(waiting) => {
            let admitted = session.registry.admit(waiting, &proof.report, &session.on);
            admitted.await.map(drop).map_err(Error::from)
        }
        None => Ok(()),
    };
    let written = write(app, &args.reports, &proof.report);
    let ending = proof::judge(&proof);
    if let (Err(_), Err(error)) = (&ending, &lifted) {
        app.progress.note(error.to_string());
    }
    let ending = ending?;
    lifted.and(written).map_err(Error::told)?;
    Ok(ending)
}

/// The users in a file, or on standard input.
fn users(file: &Path) -> Result<Vec<Credentials>, Error> {
    let text = text_of(file).map_err(|cause| {
        Error::usage(format!("cannot read the users in {}", file.display())).because(&cause)
    })?;
    Credentials::list(&text).map_err(|cause| {
        let ending = match cause {
            UserListError::NoColon { .. } => Ending::Usage,
            _ => Ending::Failed,
        };
        Error::new(
            ending,
            format!("cannot use the users in {}", file.display()),
        )
        .because(&cause)
    })
}

/// Every one of them, whatever became of another; the first error is returned, all are told.
fn write(app: &App, reports: &[ReportFile], found: &Report) -> Result<(), Error> {
    let mut first = Ok(());
    for report in reports {
        let step = app.progress.step("report");
        let written = report.write(found);
        match written.tried(format!("cannot write the report {report}")) {
            Ok(()) => step.done(report.to_string()),
            Err(error) => {
                step.failed(error.to_string());
                first = first.and(Err(error));
            }
        }
    }
    first
}
