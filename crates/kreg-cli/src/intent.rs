//! What `up` and `plan` are asked for, read and checked before the cluster is spoken to.

use kreg::{Intent, KeyLocation};
use kreg_auth::PasswordSource as Source;

use crate::args::SpecArgs;
use crate::choices::Backend;
use crate::context::App;
use crate::error::Error;
use crate::session::Session;
use crate::settings::{self, IssuedAt, PASSWORD_VARIABLE, PasswordSource, Wanted};
use crate::spec;

/// All that the user asked for.
pub(crate) fn read(app: &App, args: &SpecArgs) -> Result<Intent, Error> {
    let place = spec::place(app, &args.target)?;
    let wanted = Wanted::new(&app.config, place.profile().into(), args)?;
    let mut intent = Intent::new(spec::wanted(place, &wanted)?);
    if intent.spec.storage().bucket().is_some() {
        intent.s3 = wanted.s3.keys()?;
    }
    intent.cost = settings::bcrypt_cost(wanted.bcrypt_cost)?;
    let source = match wanted.password {
        PasswordSource::Stdin => Some(Source::Stdin),
        PasswordSource::File(file) => Some(Source::File(file)),
        PasswordSource::Environment => Some(Source::Env(PASSWORD_VARIABLE.to_owned())),
        PasswordSource::KeepOrMake => None,
    };
    if let Some(user) = &wanted.user {
        kreg::check_user(user)?;
    }
    if let Some(source) = source {
        let password = source
            .read()
            .map_err(|cause| Error::usage("cannot read the user's password").because(&cause))?;
        kreg_auth::check_password(&password).map_err(|cause| {
            Error::usage("this password would not work with a registry").because(&cause)
        })?;
        intent.password = Some(password);
    }
    intent.sans = wanted.sans;
    intent.leaf_days = wanted.leaf_days;
    intent.ca_days = wanted.ca_days;
    intent.ca_key = wanted
        .ca_key
        .map_or(KeyLocation::InCluster, KeyLocation::File);
    intent.issued = wanted.issued.map(IssuedAt::read).transpose()?;
    intent.user = wanted.user;
    intent.adopt = wanted.adopt;
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
