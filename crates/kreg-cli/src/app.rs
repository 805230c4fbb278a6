//! From the command line to an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Parser as _;

use crate::args::{Color, Output};
use crate::cli::{Cli, Command};
use crate::commands;
use crate::config::Config;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::progress::Progress;

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own text and streams; its code for bad usage is 2, as is ours.
            let code = error.exit_code();
            let _ = error.print();
            return if code == 0 {
                Ending::Done.into()
            } else {
                Ending::Usage.into()
            };
        }
    };
    match cli.global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    log(cli.global.verbose);
    let output = cli.global.output;
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            report(output, &error);
            error.ending().into()
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Error> {
    // kube and reqwest look for one process-wide provider of cryptography.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| Error::failed("cannot start the async runtime").because(&cause))?;
    let ended = match cli.command {
        // These read no configuration.
        Command::Init(args) => commands::init::run(&args),
        Command::Completions { shell } => commands::docs::completions(shell),
        Command::Man => commands::docs::man(),
        command => {
            let progress = Progress::new(cli.global.quiet);
            let config = Config::load(cli.global.config.as_deref(), &progress)?;
            let app = App {
                global: cli.global,
                config,
                progress,
            };
            return runtime.block_on(dispatch(&app, command));
        }
    };
    ended.map(ExitCode::from)
}

async fn dispatch(app: &App, command: Command) -> Result<ExitCode, Error> {
    let ended = match command {
        // The one that may end with a code of somebody else's.
        Command::Tunnel(args) => return commands::tunnel::run(app, &args).await,
        Command::Plan(args) => commands::plan::run(app, &args).await,
        Command::Up(args) => commands::up::run(app, &args).await,
        Command::Down(args) => commands::down::run(app, &args).await,
        Command::Status(args) => commands::status::run(app, &args).await,
        Command::Verify(args) => commands::verify::run(app, &args).await,
        Command::Nodes(command) => commands::nodes::run(app, &command).await,
        Command::Cert(command) => commands::cert::run(app, &command).await,
        Command::User(command) => commands::user::run(app, &command).await,
        Command::Secret(command) => commands::secret::run(app, &command).await,
        Command::Gc(args) => commands::gc::run(app, &args).await,
        Command::Doctor(args) => commands::doctor::run(app, &args).await,
        Command::Export(command) => commands::export::run(app, &command).await,
        Command::Init(_) | Command::Completions { .. } | Command::Man => Ok(Ending::Done),
    };
    ended.map(ExitCode::from)
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "kreg=debug,kreg_k8s=debug,kreg_nodes=debug,kreg_registry=debug,kreg_verify=debug",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("KREG_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(true)
        .init();
}

/// On stderr for people; as a document on stdout for programs that asked for one.
fn report(output: Output, error: &Error) {
    if output != Output::Table && !error.told {
        let body = serde_json::json!({
            "error": { "message": error.message(), "causes": error.causes, "help": error.help,
                       "exitCode": error.ending() as u8 }
        });
        let _ = crate::output::print(output, "Error", &body, |_| String::new());
    }
    const BAD: Style = AnsiColor::Red.on_default().bold();
    const HELP: Style = AnsiColor::Cyan.on_default().bold();
    let mut err = anstream::stderr();
    let _ = writeln!(err, "{BAD}error:{BAD:#} {}", error.message());
    for cause in &error.causes {
        let _ = writeln!(err, "  because: {}", cause.replace('\n', "\n    "));
    }
    if let Some(help) = &error.help {
        let _ = writeln!(
            err,
            "  {HELP}help:{HELP:#} {}",
            help.replace('\n', "\n    ")
        );
    }
}
