//! `kreg user add|remove|passwd|list|check`: the htpasswd Secret of the registry that is up,
//! and the proof that the change has reached the registry.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use kreg::{Changed, Entry, Listed};
use kreg_auth::{Credentials, ExposeSecret as _, PasswordSource};
use serde::Serialize;

use crate::args::TargetArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::intent;
use crate::output;
use crate::session::Session;

/// What became of one user, as `-o json` prints it.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    changed: Changed,
    /// Only with --generate, which asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user, wait until the registry lets it in, and prove that
    Add(UserPasswordArgs),
    /// Remove a user, and wait until the registry has read the file without it
    Remove(UserArgs),
    /// Change a user's password; of the pull secret's user, there too
    Passwd(UserPasswordArgs),
    /// Who can log in
    List(TargetArgs),
    /// Whether a user with this password can log in now
    Check(UserPasswordArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// The user's name
    pub(crate) user: String,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UserPasswordArgs {
    /// The user's name
    pub(crate) user: String,

    /// File with the user's password [default: it is asked for on the terminal]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the user's password from stdin
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password_stdin: bool,

    /// Make a password, and print it on stdout
    #[arg(long, conflicts_with_all = ["password_file", "password_stdin"])]
    pub(crate) generate: bool,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(crate) async fn run(app: &App, command: &UserCommand) -> Result<Ending, Error> {
    match command {
        UserCommand::List(target) => list(app, target).await,
        UserCommand::Add(args) => set(app, args, Entry::New).await,
        UserCommand::Passwd(args) => set(app, args, Entry::Known).await,
        UserCommand::Remove(args) => remove(app, args).await,
        UserCommand::Check(args) => check(app, args).await,
    }
}

async fn list(app: &App, target: &TargetArgs) -> Result<Ending, Error> {
    let session = Session::open(app, target, true).await?;
    let list = session.registry.user_list().await?;
    output::print(app.global.output, "Users", &list, |list| {
        let row = |one: &Listed| {
            let usable = if one.login.usable {
                "yes"
            } else {
                "no: this registry will not accept it"
            };
            [one.login.name.clone(), one.hash.clone(), usable.to_owned()]
        };
        output::table(["USER", "HASH", "CAN LOG IN"], list.users.iter().map(row))
    })?;
    for finding in &list.findings {
        app.progress.note(finding);
    }
    Ok(Ending::Done)
}

async fn set(app: &App, args: &UserPasswordArgs, entry: Entry) -> Result<Ending, Error> {
    kreg::check_user(&args.user)?;
    let cost = intent::bcrypt_cost(app.config.auth.bcrypt_cost)?;
    let user = credentials(app, args)?;
    let session = Session::open(app, &args.target, true).await?;
    let users = session.registry.users(session.settings.timeout).await?;
    let changed = users.set(&user, entry, cost, &session.on).await?;
    let done = Done {
        password: args
            .generate
            .then(|| user.password().expose_secret().to_owned()),
        changed,
    };
    output::print(app.global.output, "User", &done, |done| {
        let Changed { user, registry, .. } = &done.changed;
        let said = format!("user {user} can log in to {registry}");
        done.password.clone().unwrap_or(said)
    })?;
    super::secret::judge(&done.changed.not_renewed)?;
    Ok(Ending::Done)
}

async fn remove(app: &App, args: &UserArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let users = session.registry.users(session.settings.timeout).await?;
    let changed = users.remove(&args.user, &session.on).await?;
    output::print(app.global.output, "User", &changed, |changed| {
        let Changed { user, registry, .. } = changed;
        format!("user {user} cannot log in to {registry} any more")
    })?;
    Ok(Ending::Done)
}

async fn check(app: &App, args: &UserPasswordArgs) -> Result<Ending, Error> {
    let user = credentials(app, args)?;
    let session = Session::open(app, &args.target, true).await?;
    let users = session.registry.users(session.settings.timeout).await?;
    let checked = users.check(&user).await?;
    output::print(app.global.output, "User", &checked, |checked| {
        format!("user {} can log in", checked.user)
    })?;
    Ok(Ending::Done)
}

fn credentials(app: &App, args: &UserPasswordArgs) -> Result<Credentials, Error> {
    let invalid = |cause: kreg_auth::CredentialsError| {
        Error::usage("these credentials would not work with a registry").because(&cause)
    };
    if args.generate {
        return Credentials::generate(&args.user).map_err(invalid);
    }
    kreg_auth::check_username(&args.user).map_err(invalid)?;
    let chosen = PasswordSource::chosen(args.password_stdin, args.password_file.clone());
    let can_ask = std::io::stdin().is_terminal() && !app.global.yes;
    let asked = can_ask.then_some(PasswordSource::PromptTwice);
    let source = chosen.or(asked).ok_or_else(|| {
        Error::usage(format!("no password was given for user {}", args.user))
            .help("use --password-stdin, --password-file FILE or --generate")
    })?;
    let password = source
        .read()
        .map_err(|cause| Error::usage("cannot read the password").because(&cause))?;
    Credentials::new(&args.user, password).map_err(invalid)
}
