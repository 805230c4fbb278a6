//! `kreg user add|remove|passwd|list|check`: the htpasswd Secret of the registry that is up,
//! and the proof that the change has reached the registry.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use kreg::Entry;
use kreg_auth::{Credentials, ExposeSecret as _, Htpasswd, PasswordSource};
use kreg_verify::LoginAnswer;
use serde::Serialize;

use crate::args::TargetArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::intent;
use crate::output;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct Users {
    users: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    line: usize,
    hash: String,
    /// Whether the registry lets an entry of this kind log in.
    usable: bool,
}

/// What became of one user, as `-o json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    registry: String,
    user: String,
    /// What the registry itself said, in the end, to this user with this password.
    can_log_in: bool,
    /// From the written Secret, or the question, until the registry said so.
    seconds: f64,
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
    let state = session.existing().await?;
    let text = state.htpasswd.as_ref();
    let file = Htpasswd::parse(text.map_or("", |text| text.expose_secret()));
    let rows = file.users().into_iter().map(|user| Row {
        usable: user.hash.is_accepted_by_registry(),
        hash: user.hash.to_string(),
        line: user.line,
        name: user.name,
    });
    let users = Users {
        users: rows.collect(),
    };
    output::print(app.global.output, "Users", &users, |users| {
        output::table(
            ["USER", "HASH", "CAN LOG IN"],
            users.users.iter().map(|row| {
                let usable = if row.usable {
                    "yes"
                } else {
                    "no: this registry will not accept it"
                };
                [row.name.clone(), row.hash.clone(), usable.to_owned()]
            }),
        )
    })?;
    for finding in file.findings() {
        app.progress.note(finding.to_string());
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
        can_log_in: true,
        seconds: changed.took.as_secs_f64(),
        password: args
            .generate
            .then(|| user.password().expose_secret().to_owned()),
        ..Done::of(&session, &args.user)
    };
    output::print(app.global.output, "User", &done, |done| {
        match &done.password {
            Some(password) => password.clone(),
            None => format!("user {} can log in to {}", done.user, done.registry),
        }
    })?;
    super::secret::judge(&changed.not_renewed)?;
    Ok(Ending::Done)
}

async fn remove(app: &App, args: &UserArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let users = session.registry.users(session.settings.timeout).await?;
    let changed = users.remove(&args.user, &session.on).await?;
    let done = Done {
        seconds: changed.took.as_secs_f64(),
        ..Done::of(&session, &args.user)
    };
    output::print(app.global.output, "User", &done, |done| {
        format!(
            "user {} cannot log in to {} any more",
            done.user, done.registry
        )
    })?;
    Ok(Ending::Done)
}

async fn check(app: &App, args: &UserPasswordArgs) -> Result<Ending, Error> {
    let user = credentials(app, args)?;
    let session = Session::open(app, &args.target, true).await?;
    let users = session.registry.users(session.settings.timeout).await?;
    let asked = Instant::now();
    let name = user.username();
    match users.check(&user).await? {
        LoginAnswer::Admitted => {
            let done = Done {
                can_log_in: true,
                seconds: asked.elapsed().as_secs_f64(),
                ..Done::of(&session, name)
            };
            output::print(app.global.output, "User", &done, |done| {
                format!("user {} can log in", done.user)
            })?;
            Ok(Ending::Done)
        }
        LoginAnswer::Refused => Err(Error::new(
            Ending::ProofFailed,
            format!("the registry refuses user {name} with this password"),
        )
        .help("`kreg user list` shows who can log in; `kreg user passwd` sets a new password")),
        _ => Err(Error::new(
            Ending::ProofFailed,
            format!(
                "some of the registry's Pods let user {name} in with this password, others refuse it"
            ),
        )
        .help("one of them has not read the users yet: ask again in a minute")),
    }
}

impl Done {
    fn of(session: &Session, user: &str) -> Self {
        Self {
            registry: session.registry.place().registry_name(),
            user: user.to_owned(),
            can_log_in: false,
            seconds: 0.0,
            password: None,
        }
    }
}

fn credentials(app: &App, args: &UserPasswordArgs) -> Result<Credentials, Error> {
    let invalid = |cause: kreg_auth::CredentialsError| {
        Error::usage("these credentials would not work with a registry").because(&cause)
    };
    if args.generate {
        return Credentials::generate(&args.user).map_err(invalid);
    }
    kreg_auth::check_username(&args.user).map_err(invalid)?;
    let source = match &args.password_file {
        Some(file) => PasswordSource::File(file.clone()),
        None if args.password_stdin => PasswordSource::Stdin,
        None if std::io::stdin().is_terminal() && !app.global.yes => PasswordSource::PromptTwice,
        None => {
            return Err(
                Error::usage(format!("no password was given for user {}", args.user))
                    .help("use --password-stdin, --password-file FILE or --generate"),
            );
        }
    };
    let password = source
        .read()
        .map_err(|cause| Error::usage("cannot read the password").because(&cause))?;
    Credentials::new(&args.user, password).map_err(invalid)
}
