//! What `up` and `plan` are asked for, read and checked before the cluster is spoken to.

use kreg::{Intent, KeyLocation};
use kreg_auth::{Cost, PasswordSource};
use kreg_pki::San;

use crate::args::SpecArgs;
use crate::choices::Backend;
use crate::config::sections::Auth;
use crate::context::App;
use crate::error::Error;
use crate::issued::issued;
use crate::session::Session;
use crate::spec;

const PASSWORD_VARIABLE: &str = "KREG_PASSWORD";

/// All that the user asked for.
pub(crate) fn read(app: &App, args: &SpecArgs) -> Result<Intent, Error> {
    let config = &app.config;
    let place = spec::place(app, &args.target)?;
    let (auth, tls) = (args.auth.or(&config.auth), args.tls.or(&config.tls));
    let sans = sans(&tls.sans)?;
    let taint = args.taint.taint(config)?;
    let issued = issued(&tls)?;
    let spec = spec::wanted(place, args, config)?.with_startup_taint(taint);
    let mut intent = Intent::new(spec);
    if intent.spec.storage().bucket().is_some() {
        intent.s3 = config.storage.s3.keys()?;
    }
    intent.cost = bcrypt_cost(auth.bcrypt_cost)?;
    if let Some(user) = &auth.user {
        kreg::check_user(user)?;
    }
    if let Some(source) = password(&auth) {
        let password = source
            .read()
            .map_err(|cause| Error::usage("cannot read the user's password").because(&cause))?;
        kreg_auth::check_password(&password).map_err(|cause| {
            Error::usage("this password would not work with a registry").because(&cause)
        })?;
        intent.password = Some(password);
    }
    intent.sans = sans;
    intent.leaf_days = tls.leaf_days;
    intent.ca_days = tls.ca_days;
    intent.ca_key = tls.ca_key.map_or(KeyLocation::InCluster, KeyLocation::File);
    intent.issued = issued;
    intent.user = auth.user;
    intent.adopt = args.adopt;
    intent.change_storage = args.change_storage;
    Ok(intent)
}

/// The same with what the configuration and the cluster say of the nodes.
pub(crate) fn of_session(mut intent: Intent, session: &mut Session) -> Intent {
    session.adopt = intent.adopt;
    let settings = &session.settings;
    intent.restart_runtimes = settings.nodes.allow_runtime_restart;
    intent.timeout = settings.timeout;
    intent.spec = intent
        .spec
        .with_node_agent(settings.nodes.backend == Backend::DaemonSet);
    intent
}

/// Names and addresses for a certificate, as words.
pub(crate) fn sans(words: &[String]) -> Result<Vec<San>, Error> {
    let san = |word: &String| {
        word.parse().map_err(|cause| {
            Error::usage(format!("`{word}` cannot stand in a certificate")).because(&cause)
        })
    };
    words.iter().map(san).collect()
}

/// What a hash of a password costs, by `auth.bcrypt_cost` of the configuration.
pub(crate) fn bcrypt_cost(wanted: Option<u32>) -> Result<Cost, Error> {
    wanted
        .map_or(Ok(Cost::DEFAULT), Cost::new)
        .map_err(|cause| Error::usage("auth.bcrypt_cost is not usable").because(&cause))
}

/// Where the first user's password comes from; `None` for the one that the cluster holds, or else a new one.
fn password(auth: &Auth) -> Option<PasswordSource> {
    PasswordSource::chosen(auth.password_stdin, auth.password_file.clone())
        .or_else(|| PasswordSource::variable(PASSWORD_VARIABLE))
}
