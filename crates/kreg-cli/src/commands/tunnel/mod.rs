//! `kreg tunnel`: a local port to the registry for docker, podman, skopeo, crane and BuildKit,
//! through the API server, with full verification at the client.

mod advice;
mod command;
mod registry;
mod trust;

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use kreg_registry::dial::{Dial as _, TcpDial, Tunnel, TunnelOptions};
use kreg_registry::{RegistryClient, Transport};
use kreg_verify::PodDial;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::TargetArgs;
use crate::context::App;
use crate::error::{Ending, Error, Tried as _};
use crate::output;
use crate::progress::Progress;
use crate::session::Session;
use crate::spec;

use self::registry::Registry;
use kreg_nodes::this_machine::Installed;

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

/// What `-o json` prints once the tunnel works.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    registry: String,
    address: SocketAddr,
    route: String,
    /// Files that were put in place until the tunnel ends.
    trust: Vec<String>,
}

pub(crate) async fn run(app: &App, args: &TunnelArgs) -> Result<ExitCode, Error> {
    if args.trust == Some(TrustArg::Remove) {
        return remove(app, args).map(ExitCode::from);
    }
    let session = Session::open(app, &args.target, true).await?;
    own_port(args, session.registry.place().port())?;
    let registry = Registry::of(&session).await?;
    if args.trust == Some(TrustArg::Print) {
        let advice = advice::Advice::new(&session, &registry)?;
        output::print(app.global.output, "TunnelTrust", &advice, |advice| {
            advice.to_string()
        })?;
        return Ok(Ending::Done.into());
    }
    // From here on a signal must not end the program by itself: files may have to be put back.
    let mut signals = Signals::listen()?;
    let installed = match args.trust {
        Some(TrustArg::Install) => Some(install(app, args, &session, &registry)?),
        _ => None,
    };
    let held = hold(
        app,
        args,
        &session,
        &registry,
        installed.as_ref(),
        &mut signals,
    )
    .await;
    let put_back = match installed {
        Some(installed) if held.is_ok() || !installed.is_anothers() => {
            let step = app.progress.step("trust of this machine's clients");
            let back = installed.take_back().map_err(Error::from);
            if back.is_ok() {
                step.done("taken back");
            }
            back
        }
        _ => Ok(()),
    };
    // What went wrong first is told first.
    let code = held?;
    put_back.map(|()| code)
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

fn install(
    app: &App,
    args: &TunnelArgs,
    session: &Session,
    registry: &Registry,
) -> Result<Installed, Error> {
    let step = app.progress.step("trust of this machine's clients");
    let installed = trust::install(session, registry, args.address)?;
    step.done(format!("{} leads here", registry.host));
    for warning in installed.warnings() {
        app.progress.note(warning);
    }
    Ok(installed)
}

fn remove(app: &App, args: &TunnelArgs) -> Result<Ending, Error> {
    let place = spec::place(app, &args.target)?;
    let step = app.progress.step("trust of this machine's clients");
    let removed = trust::remove(place.instance())?;
    step.done(match removed.as_slice() {
        [] => "nothing was there".to_owned(),
        some => format!("{} taken back", some.join(", ")),
    });
    Ok(Ending::Done)
}

/// Opens the tunnel, sees that it works, and keeps it until there is no more need for it.
async fn hold(
    app: &App,
    args: &TunnelArgs,
    session: &Session,
    registry: &Registry,
    installed: Option<&Installed>,
    signals: &mut Signals,
) -> Result<ExitCode, Error> {
    let step = app.progress.step("tunnel");
    let dial = PodDial::new(
        session.registry.streams()?.clone(),
        session.registry.place().namespace(),
        session.registry.place().service(),
        session.registry.place().port(),
    );
    let route = dial.route();
    let ip = match installed {
        Some(installed) => installed.address(),
        None => args.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    let port = args.local_port.unwrap_or(session.registry.place().port());
    let options = TunnelOptions {
        address: SocketAddr::new(ip, port),
        watcher: Some(teller(&app.progress)),
        ..TunnelOptions::default()
    };
    let tunnel = Tunnel::open(Arc::new(dial), options)
        .await
        .map_err(|cause| cannot_listen(SocketAddr::new(ip, port), &cause))?;
    if let Some(installed) = installed {
        installed.claim();
    }
    let address = tunnel.address();
    let proving = async {
        prove(registry, address).await?;
        if let Some(installed) = installed {
            step.at("waiting until dockerd reads /etc/hosts again");
            tokio::time::sleep(installed.unsettled()).await;
        }
        Ok::<_, Error>(Some(()))
    };
    let open = tokio::select! {
        proved = proving => proved,
        _ = signals.next() => Ok(None),
    };
    let Some(()) = open? else {
        tunnel.close().await;
        return Ok(Ending::Done.into());
    };
    step.done(format!("{address} leads to {route}"));
    let ended = match args.command.as_slice() {
        [] => {
            if installed.is_none() {
                tell_of_name(app, registry, address).await;
            }
            let body = Open {
                registry: registry.host.to_string(),
                address,
                route,
                trust: installed.map(Installed::paths).unwrap_or_default(),
            };
            output::print(app.global.output, "Tunnel", &body, |open| {
                format!("{} is open at {}", open.registry, open.address)
            })?;
            signals.next().await;
            Ok(Ending::Done.into())
        }
        [program, arguments @ ..] => {
            let login = args.login.then_some(&registry.state);
            command::run(program, arguments, &registry.host, login, signals).await
        }
    };
    tunnel.close().await;
    ended
}

/// Asks the registry through the tunnel, as a client of its CA; without a password 401 is the answer.
async fn prove(registry: &Registry, address: SocketAddr) -> Result<(), Error> {
    let transport = Transport::trusting(&registry.bundle_pem)
        .tried("cannot use the CA that the cluster holds")?;
    let way = Arc::new(TcpDial::new(address.to_string()));
    let answer = RegistryClient::new(registry.host.clone(), way, transport)
        .with_timeout(TunnelOptions::default().patience * 2)
        .ping()
        .await
        .tried(format!(
            "the tunnel at {address} is open, but the registry does not answer through it"
        ))?;
    match answer.status.as_u16() {
        200 | 401 => Ok(()),
        _ => Err(
            Error::failed("the registry answers through the tunnel, but not as it should")
                .because(&answer.into_error())
                .help("`kreg status` and its log (`kubectl logs`) say more"),
        ),
    }
}

/// Clients go by the name; whether it leads to the tunnel is the machine's matter.
async fn tell_of_name(app: &App, registry: &Registry, address: SocketAddr) {
    let host = &registry.host;
    let found: Vec<_> = match tokio::net::lookup_host((host.name(), address.port())).await {
        Ok(found) => found.map(|found| found.ip()).collect(),
        Err(_) => Vec::new(),
    };
    if found.contains(&address.ip()) && host.port() == address.port() {
        if address.ip().is_loopback() {
            app.progress.note(format!(
                "docker verifies no registry whose name leads to {}: use --trust install, or \
                 another --address (`kreg tunnel --trust print`)",
                address.ip()
            ));
        }
        return;
    }
    app.progress.note(format!(
        "{host} does not lead to {address} on this machine: `kreg tunnel --trust print` says what each \
         client needs, and --trust install does it for as long as the tunnel is open"
    ));
}

/// The shortest time between two reports of a tunnel: clients try again and again.
const QUIET: Duration = Duration::from_secs(30);

/// Reports a connection that could not be carried or broke, with all its causes.
fn teller(progress: &Progress) -> kreg_registry::dial::Watcher {
    let (last, progress) = (Mutex::new(None::<Instant>), progress.clone());
    Arc::new(move |error: &io::Error| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < QUIET) {
            return;
        }
        *last = Some(Instant::now());
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        progress.note(format!("the tunnel could not carry a connection: {text}"));
    })
}

fn cannot_listen(address: SocketAddr, cause: &io::Error) -> Error {
    let help = match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has it, perhaps another `kreg tunnel`: `ss -ltnp` names it; --local-port takes \
             another (image names then have that port)"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: `ip address add ADDRESS/32 dev lo` gives it one, --trust install \
             does so by itself"
        }
        _ => "ports below 1024 are root's; --local-port takes another",
    };
    Error::failed(format!("cannot listen on {address}"))
        .because(cause)
        .help(help)
}

/// What ends a tunnel.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let one = |kind| signal(kind).tried("cannot listen for signals");
        Ok(Self {
            interrupt: one(SignalKind::interrupt())?,
            terminate: one(SignalKind::terminate())?,
            hangup: one(SignalKind::hangup())?,
            quit: one(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> rustix::process::Signal {
        tokio::select! {
            _ = self.interrupt.recv() => rustix::process::Signal::INT,
            _ = self.terminate.recv() => rustix::process::Signal::TERM,
            _ = self.hangup.recv() => rustix::process::Signal::HUP,
            _ = self.quit.recv() => rustix::process::Signal::QUIT,
        }
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
