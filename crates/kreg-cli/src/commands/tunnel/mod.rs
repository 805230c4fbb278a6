//! `kreg tunnel`: a local port to the registry for docker, podman, skopeo, crane and BuildKit,
//! through the API server, with full verification at the client.

mod command;
mod script;

use std::ffi::OsString;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use kreg::tunnel::{self, Installed, Leads, Open, Tunnels};

use crate::args::TargetArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::Session;
use crate::signals::Signals;
use crate::spec;

#[derive(Debug, Args)]
pub(crate) struct TunnelArgs {
    /// What the clients on this machine need: print it and end; install it (as root) for as long as the
    /// tunnel is open; or remove what a tunnel that was killed has left
    #[arg(long, value_enum, value_name = "WHAT")]
    trust: Option<TrustArg>,

    /// Listen on this address of this machine [default: 127.0.0.1; with --trust install the registry's
    /// own ClusterIP, which is then put on the loopback device]
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,

    /// Listen on this port, 0 for a free one [default: the registry's]
    #[arg(long, value_name = "PORT")]
    local_port: Option<u16>,

    /// Log COMMAND in by $DOCKER_CONFIG and $REGISTRY_AUTH_FILE, with the user that the cluster holds
    #[arg(long, requires = "command")]
    login: bool,

    #[command(flatten)]
    target: TargetArgs,

    /// Run this while the tunnel is open, and end with its exit code
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TrustArg {
    Print,
    Install,
    Remove,
}

pub(crate) async fn run(app: &App, args: &TunnelArgs) -> Result<ExitCode, Error> {
    if args.trust == Some(TrustArg::Remove) {
        let place = spec::place(app, &args.target)?;
        tunnel::remove(&place, &app.progress)?;
        return Ok(Ending::Done.into());
    }
    let session = Session::open(app, &args.target, true).await?;
    own_port(args, session.registry.place().port())?;
    let tunnels = session.registry.tunnels().await?;
    if args.trust == Some(TrustArg::Print) {
        output::print(
            app.global.output,
            "TunnelTrust",
            &tunnels.advice()?,
            script::of,
        )?;
        return Ok(Ending::Done.into());
    }
    // From here on a signal must not end the program by itself: files may have to be put back.
    let mut signals = Signals::all();
    let installed = match args.trust {
        Some(TrustArg::Install) => Some(tunnels.install(args.address, &session.on)?),
        _ => None,
    };
    let held = hold(
        app,
        args,
        &session,
        &tunnels,
        installed.as_ref(),
        &mut signals,
    )
    .await;
    let put_back = match installed {
        Some(installed) => tunnel::take_back(installed, &session.on),
        None => Ok(()),
    };
    // What went wrong first is reported first.
    let code = held?;
    put_back?;
    Ok(code)
}

/// Trust and logins are for the registry's name with its own port; at another they are of no use.
fn own_port(args: &TunnelArgs, port: u16) -> Result<(), Error> {
    let what = match args.trust {
        Some(TrustArg::Install) => "--trust install",
        _ if args.login => "--login",
        _ => return Ok(()),
    };
    match args.local_port {
        Some(local) if local != port => Err(Error::usage(format!(
            "{what} is for port {port}, by which images are named, and --local-port {local} is another"
        ))
        .help("leave --local-port away; two registries of the same port each get their own --address")),
        _ => Ok(()),
    }
}

/// Opens the tunnel, sees that it works, and keeps it until there is no more need for it.
async fn hold(
    app: &App,
    args: &TunnelArgs,
    session: &Session,
    tunnels: &Tunnels<'_>,
    installed: Option<&Installed>,
    signals: &mut Signals,
) -> Result<ExitCode, Error> {
    let progress = app.progress.clone();
    let lost = move |text: &str| progress.note(text);
    let open = tunnels.open(args.address, args.local_port, installed, lost);
    let open = open.await?;
    let is_over = tokio::select! {
        proved = open.prove(&session.on) => {
            proved?;
            false
        }
        _ = signals.next() => true,
    };
    let ended = match args.command.split_first() {
        _ if is_over => Ok(Ending::Done.into()),
        Some(command) => command::run(command, tunnels, args.login, signals).await,
        None => {
            if installed.is_none() {
                tell_of_name(app, &open).await;
            }
            output::print(app.global.output, "Tunnel", &open, |open| {
                format!("{} is open at {}", open.registry, open.address)
            })?;
            signals.next().await;
            Ok(Ending::Done.into())
        }
    };
    open.close().await;
    ended
}

/// Clients go by the name; whether it leads to the tunnel is the machine's matter.
async fn tell_of_name(app: &App, open: &Open<'_>) {
    let (registry, address) = (&open.registry, open.address);
    match open.name_leads().await {
        Leads::Here => {}
        Leads::Loopback => app.progress.note(format!(
            "docker verifies no registry whose name leads to {}: use --trust install, or \
             another --address (`kreg tunnel --trust print`)",
            address.ip()
        )),
        Leads::Elsewhere => app.progress.note(format!(
            "{registry} does not lead to {address} on this machine: `kreg tunnel --trust print` says what each \
             client needs, and --trust install does it for as long as the tunnel is open"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn trust_and_login_are_for_the_registrys_own_port() {
        let of = |words: &[&str]| {
            let words = [&["kreg", "tunnel"], words].concat();
            match Cli::try_parse_from(words).unwrap().command {
                Command::Tunnel(args) => own_port(&args, 5000),
                other => panic!("{other:?}"),
            }
        };
        for words in [
            &["--trust", "install", "--local-port", "5001"] as &[_],
            &["--login", "--local-port", "0", "--", "true"],
        ] {
            let error = of(words).unwrap_err();
            assert_eq!(error.ending(), Ending::Usage);
            assert!(error.message().contains("port 5000"), "{error}");
        }
        for words in [
            &["--trust", "install", "--local-port", "5000"] as &[_],
            &["--trust", "install"],
            &["--login", "--", "true"],
            &["--local-port", "0"],
        ] {
            of(words).unwrap();
        }
    }
}
