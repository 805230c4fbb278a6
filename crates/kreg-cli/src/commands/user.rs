//! `kreg user add|remove|passwd|list|check`: the htpasswd Secret of the registry that is up,
//! and the proof that the change has reached the registry.

use std::io::IsTerminal as _;
use std::time::Instant;

use kreg_auth::{
    Cost, Credentials, ExposeSecret as _, Htpasswd, PasswordSource, PullSecret, SecretString,
};
use kreg_k8s::{Names, pull, secret};
use kreg_verify::LoginAnswer;
use serde::Serialize;
use time::OffsetDateTime;

use crate::app::App;
use crate::args::{UserArgs, UserCommand, UserPasswordArgs};
use crate::error::{Ending, Error, Tried as _};
use crate::login::Logins;
use crate::output;
use crate::proof;
use crate::session::Session;
use crate::settings;
use crate::spec;
use crate::witness;

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

pub(crate) async fn run(app: &App, command: &UserCommand) -> Result<Ending, Error> {
    match command {
        UserCommand::List(target) => list(app, target).await,
        UserCommand::Add(args) => set(app, args, Entry::New).await,
        UserCommand::Passwd(args) => set(app, args, Entry::Known).await,
        UserCommand::Remove(args) => remove(app, args).await,
        UserCommand::Check(args) => check(app, args).await,
    }
}

async fn list(app: &App, target: &crate::args::TargetArgs) -> Result<Ending, Error> {
    let session = Session::open(app, target, true).await?;
    let state = session.existing().await?;
    let file = Htpasswd::parse(
        state
            .htpasswd
            .as_ref()
            .map_or("", |text| text.expose_secret()),
    );
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    New,
    Known,
}

async fn set(app: &App, args: &UserPasswordArgs, entry: Entry) -> Result<Ending, Error> {
    witness::refuse_name(&args.user)?;
    let cost = settings::bcrypt_cost(app.config.auth.bcrypt_cost)?;
    let user = credentials(app, args)?;
    let session = Session::open(app, &args.target, true).await?;
    let logins = Logins::of(&session).await?;
    let names = Names::of(&session.place);
    let held = proof::held_credentials(&session, &logins.state).ok();
    let was = held.filter(|held| held.username() == user.username());

    let step = app.progress.step(format!("user {}", user.username()));
    secret::edit(
        &session.cluster,
        &session.place,
        &names.htpasswd,
        "htpasswd",
        |text| {
            edited(text, |file| {
                witness::remove_left(file, OffsetDateTime::now_utc())?;
                match entry {
                    Entry::New => file.add(&user, cost),
                    Entry::Known => file.change(&user, cost),
                }
            })
        },
    )
    .await?;
    let mut not_renewed = Vec::new();
    if was.is_some() {
        let host = spec::host(&session.place)?;
        secret::edit(
            &session.cluster,
            &session.place,
            &names.pull_secret,
            PullSecret::DATA_KEY,
            |json| {
                let mut known = PullSecret::parse(json.expose_secret().as_bytes())
                    .tried(format!("cannot read {}", names.pull_secret))?;
                known.insert(&host, &user);
                Ok::<_, Error>(known.to_json())
            },
        )
        .await?;
        let renewed = pull::refresh(&session.cluster, &session.place).await;
        not_renewed = renewed
            .tried("cannot renew the pull secret in other namespaces")?
            .1;
    }
    step.at("waiting until the registry knows it");
    let written = Instant::now();
    logins.until_in(&session, &user).await?;
    let seconds = written.elapsed().as_secs_f64();
    let mut proved = format!("logs in, {seconds:.1} s after the Secret was written");
    if let Some(old) =
        was.filter(|old| old.password().expose_secret() != user.password().expose_secret())
    {
        logins.until_out(&session, &old).await?;
        proved.push_str("; the old password is refused, the pull secret is changed");
    } else if entry == Entry::Known {
        // One entry a user: with the new password in, the old one has no line to match.
        proved.push_str("; the old password has no entry any more");
    }
    step.done(proved);
    let done = Done {
        registry: session.place.registry_name(),
        user: user.username().to_owned(),
        can_log_in: true,
        seconds,
        password: args
            .generate
            .then(|| user.password().expose_secret().to_owned()),
    };
    output::print(app.global.output, "User", &done, |done| {
        match &done.password {
            Some(password) => password.clone(),
            None => format!("user {} can log in to {}", done.user, done.registry),
        }
    })?;
    super::secret::judge(&not_renewed)?;
    Ok(Ending::Done)
}

async fn remove(app: &App, args: &UserArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let logins = Logins::of(&session).await?;
    let names = Names::of(&session.place);
    if proof::held_credentials(&session, &logins.state)
        .is_ok_and(|held| held.username() == args.user)
    {
        return Err(Error::usage(format!("{} pulls as user {}", names.pull_secret, args.user))
            .help("every Pod that uses it would stop pulling: `kreg up --user OTHER` changes it first"));
    }
    let now = OffsetDateTime::now_utc();
    let witness = witness::new(now)?;
    let step = app.progress.step(format!("user {}", args.user));
    change(&session, &names, |file| {
        file.remove(&args.user)?;
        witness::remove_left(file, now)?;
        file.set(&witness, Cost::MIN)
    })
    .await?;
    step.at("waiting until the registry knows it");
    let written = Instant::now();
    let known = logins.until_in(&session, &witness).await;
    let seconds = written.elapsed().as_secs_f64();
    change(&session, &names, |file| witness::remove(file, &witness)).await?;
    known?;
    step.done(format!(
        "the registry has read the file without this user, {seconds:.1} s after it was written"
    ));
    let done = Done {
        registry: session.place.registry_name(),
        user: args.user.clone(),
        can_log_in: false,
        seconds,
        password: None,
    };
    output::print(app.global.output, "User", &done, |done| {
        format!(
            "user {} cannot log in to {} any more",
            done.user, done.registry
        )
    })?;
    Ok(Ending::Done)
}

async fn change(
    session: &Session,
    names: &Names,
    change: impl Fn(&mut Htpasswd) -> Result<(), kreg_auth::HtpasswdError>,
) -> Result<bool, Error> {
    let edit = |text: &SecretString| edited(text, &change);
    secret::edit(
        &session.cluster,
        &session.place,
        &names.htpasswd,
        "htpasswd",
        edit,
    )
    .await
}

async fn check(app: &App, args: &UserPasswordArgs) -> Result<Ending, Error> {
    let user = credentials(app, args)?;
    let session = Session::open(app, &args.target, true).await?;
    let logins = Logins::of(&session).await?;
    let asked = Instant::now();
    match logins.ask(&user).await? {
        LoginAnswer::Admitted => {
            let done = Done {
                registry: session.place.registry_name(),
                user: user.username().to_owned(),
                can_log_in: true,
                seconds: asked.elapsed().as_secs_f64(),
                password: None,
            };
            output::print(app.global.output, "User", &done, |done| {
                format!("user {} can log in", done.user)
            })?;
            Ok(Ending::Done)
        }
        LoginAnswer::Refused => Err(Error::new(
            Ending::ProofFailed,
            format!(
                "the registry refuses user {} with this password",
                user.username()
            ),
        )
        .help("`kreg user list` shows who can log in; `kreg user passwd` sets a new password")),
        _ => Err(Error::new(
            Ending::ProofFailed,
            format!(
                "some of the registry's Pods let user {} in with this password, others refuse it",
                user.username()
            ),
        )
        .help("one of them has not read the users yet: ask again in a minute")),
    }
}

fn edited(
    text: &SecretString,
    change: impl FnOnce(&mut Htpasswd) -> Result<(), kreg_auth::HtpasswdError>,
) -> Result<SecretString, Error> {
    let mut file = Htpasswd::parse(text.expose_secret());
    change(&mut file)
        .map_err(|cause| Error::usage("the users stay as they are").because(&cause))?;
    file.validate()
        .tried("the registry would not accept the users file; nothing was changed")?;
    String::from_utf8(file.to_bytes())
        .map(SecretString::from)
        .tried("the users file is not UTF-8; nothing was changed")
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
