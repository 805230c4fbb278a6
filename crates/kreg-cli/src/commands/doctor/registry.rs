//! The registry's certificate and users, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use kreg_auth::{Credentials, ExposeSecret as _, Htpasswd, Problem, PullSecret, Verdict};
use kreg_k8s::{Names, Object, RegistryState};
use kreg_pki::lint::{Finding, Lint, Severity};
use kreg_pki::{Certificate, TrustBundle};
use kreg_registry::{RegistryClient, TlsFault, Transport, roots_of_pem, served_chain};
use kreg_verify::PodDial;
use kreg_verify::doctor::{
    HtpasswdFinding, LintFinding, Login, Observations, PullSecretSeen, Upload,
};
use time::OffsetDateTime;

use super::Look;
use crate::error::{Error, Tried as _};
use crate::session::Session;
use crate::spec;

/// A doctor does not wait long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an upload is begun and called off.
const REPOSITORY: &str = "kreg/doctor";

/// The certificate that the cluster holds.
pub(super) fn certificates(
    session: &Session,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let (Some(chain), Some(bundle)) = (&state.tls_chain_pem, &state.ca_bundle_pem) else {
        return Ok(());
    };
    let now = OffsetDateTime::now_utc();
    let endpoints = spec::endpoints(session.registry.place(), state.cluster_ip)?;
    let lint = Lint::new(chain.as_bytes(), bundle.as_bytes(), now).endpoints(endpoints);
    let findings = match &state.tls_key_pem {
        Some(key) => lint.key(key).run(),
        None => lint.run(),
    };
    seen.certificates.held = findings.into_iter().map(finding).collect();
    let held = Certificate::all_from_pem(chain, "the registry's certificate").unwrap_or_default();
    if let Some(leaf) = held.first() {
        seen.certificates.described = described(leaf);
    }
    let trusted = TrustBundle::from_pem(bundle, "the CA bundle").unwrap_or_default();
    seen.certificates.ends_in_days = held
        .iter()
        .chain(trusted.issuers_of(&held))
        .filter(|one| one.needs_renewal(now, one.renewal_threshold()))
        .map(|one| (one.not_after() - now).whole_days())
        .min();
    Ok(())
}

fn finding(one: Finding) -> LintFinding {
    LintFinding {
        code: one.code.to_string(),
        subject: one.subject,
        message: one.message,
        remedy: one.remedy.to_owned(),
        error: one.severity == Severity::Error,
    }
}

fn described(leaf: &Certificate) -> String {
    let names: Vec<_> = leaf.sans().iter().map(ToString::to_string).collect();
    format!(
        "{}, issued by {}, valid {} to {}, names: {}",
        leaf.subject(),
        leaf.issuer(),
        leaf.not_before().date(),
        leaf.not_after().date(),
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    )
}

/// The users as the cluster holds them.
pub(super) fn htpasswd(state: &RegistryState) -> Option<Htpasswd> {
    let text = state.htpasswd.as_ref()?;
    Some(Htpasswd::parse(text.expose_secret()))
}

/// The htpasswd file and the registry's own pull secret, held against each other.
pub(super) async fn users(
    look: &mut Look<'_>,
    session: &Session,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let htpasswd = htpasswd(state);
    if let Some(htpasswd) = &htpasswd {
        let findings = htpasswd.findings().into_iter();
        seen.auth.findings = findings
            .map(|one| HtpasswdFinding {
                line: one.line,
                user: one.username.clone(),
                text: one.problem.to_string(),
                fatal: one.problem.is_fatal(),
                not_bcrypt: matches!(one.problem, Problem::NotAccepted(_)),
            })
            .collect();
    }
    let reference = Names::of(session.registry.place()).pull_secret;
    if let Some(live) = look.get(&reference).await? {
        let image = format!("{}/any", session.registry.place().registry_name());
        seen.auth.pull_secret = Some(pull_secret(
            reference.name(),
            live.as_ref(),
            &image,
            htpasswd.as_ref(),
        ));
    }
    Ok(())
}

/// A pull secret as the kubelet uses it for this image.
pub(super) fn pull_secret(
    name: &str,
    live: Option<&Object>,
    image: &str,
    htpasswd: Option<&Htpasswd>,
) -> PullSecretSeen {
    let mut seen = PullSecretSeen {
        name: name.to_owned(),
        exists: live.is_some(),
        ..PullSecretSeen::default()
    };
    let Some(live) = live else { return seen };
    let kind = live.text("/type").unwrap_or("Opaque");
    if kind != PullSecret::SECRET_TYPE {
        seen.wrong_type = Some(kind.to_owned());
        return seen;
    }
    let parsed = match kreg_k8s::secret::value(live, PullSecret::DATA_KEY) {
        Some(json) => PullSecret::parse(json.expose_secret().as_bytes()),
        None => {
            seen.broken = Some(format!("it has no readable key {}", PullSecret::DATA_KEY));
            return seen;
        }
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(why) => {
            seen.broken = Some(why.to_string());
            return seen;
        }
    };
    seen.hosts = parsed.keys().map(str::to_owned).collect();
    let auths = parsed.credentials_for(image);
    seen.matches = !auths.is_empty();
    if let Some(auth) = auths.first() {
        seen.user = Some(auth.username().to_owned());
        seen.login = htpasswd.map(|htpasswd| {
            let said = || htpasswd.check(auth.username(), auth.password());
            // bcrypt is meant to take its time.
            match tokio::task::block_in_place(said) {
                Verdict::Accepted => Login::Accepted,
                Verdict::UnknownUser => Login::UnknownUser,
                Verdict::NotAccepted(_) => Login::NotAccepted,
                _ => Login::WrongPassword,
            }
        });
    }
    seen
}

/// What is served, who is let in, and whether pushes are taken.
pub(super) async fn answers(
    look: &mut Look<'_>,
    session: &Session,
    state: &RegistryState,
    seen: &mut Observations,
) {
    // Without a Pod there is nobody to ask, and rules say so already.
    if !seen.pods.iter().any(|pod| pod.ready) || seen.service_gone {
        return;
    }
    let asked = tokio::time::timeout(3 * PATIENCE, ask(session, state, seen)).await;
    match asked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let causes = error.causes().join(": ");
            look.unseen
                .push(format!("the registry's answers: {error}: {causes}"));
        }
        Err(_) => look
            .unseen
            .push("the registry's answers: it gave none in time".to_owned()),
    }
    // Last, so that what was asked for above stands in the log. A help and no more.
    seen.complaints = kreg_k8s::complaints(
        session.registry.cluster().as_ref(),
        session.registry.place(),
    )
    .await
    .unwrap_or_default();
}

async fn ask(
    session: &Session,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let Some(bundle) = &state.ca_bundle_pem else {
        return Ok(());
    };
    let (place, host) = (
        session.registry.place(),
        spec::host(session.registry.place())?,
    );
    let streams = session.registry.streams()?.clone();
    let dial = PodDial::new(streams, place.namespace(), place.service(), place.port());
    let roots = roots_of_pem(bundle).tried("cannot use the CA that the cluster holds")?;
    let served = served_chain(&dial, &host, roots)
        .await
        .tried("cannot see what the registry serves")?;
    if matches!(served.verified, Err(TlsFault::NotTls)) {
        seen.answers.plain = true;
        return Ok(());
    }
    let chain: Vec<Certificate> = served
        .certificates
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    compare(session, state, &chain, bundle, seen)?;
    if served.verified.is_err() {
        return Ok(()); // nobody is asked over a connection that clients refuse
    }
    let Some(client) = as_own_user(session, state) else {
        return Ok(());
    };
    let answer = client.ping().await.tried("cannot ask the registry")?;
    seen.answers.user = Some(answer.status.as_u16());
    seen.answers.empty = answer.body.is_empty();
    if answer.status.is_success() {
        let repository = REPOSITORY
            .parse()
            .tried("cannot name a repository to begin an upload in")?;
        let answer = client
            .try_upload(&repository)
            .await
            .tried("cannot begin an upload as a test")?;
        seen.answers.upload = Some(match answer.status.as_u16() {
            202 => Upload::Begun,
            status => Upload::Refused {
                status,
                message: answer.into_error().to_string(),
            },
        });
    }
    Ok(())
}

/// The served chain against the one that the cluster holds.
fn compare(
    session: &Session,
    state: &RegistryState,
    chain: &[Certificate],
    bundle: &str,
    seen: &mut Observations,
) -> Result<(), Error> {
    let held = state.tls_chain_pem.as_deref().unwrap_or_default();
    let held = Certificate::all_from_pem(held, "the registry's certificate").unwrap_or_default();
    let (Some(held), Some(shown)) = (held.first(), chain.first()) else {
        return Ok(());
    };
    if held == shown {
        return Ok(());
    }
    let pem: String = chain.iter().map(Certificate::to_pem).collect();
    let endpoints = spec::endpoints(session.registry.place(), state.cluster_ip)?;
    let lint = Lint::new(pem.as_bytes(), bundle.as_bytes(), OffsetDateTime::now_utc());
    let findings = lint.endpoints(endpoints).run();
    seen.certificates.served = findings.into_iter().map(finding).collect();
    seen.certificates.differ = Some((described(held), described(shown)));
    Ok(())
}

/// The registry's own user, through the API server.
pub(super) fn as_own_user(session: &Session, state: &RegistryState) -> Option<RegistryClient> {
    let (place, user) = (session.registry.place(), own_credentials(session, state)?);
    let transport = Transport::trusting(state.ca_bundle_pem.as_ref()?).ok()?;
    let streams = session.registry.streams().ok()?.clone();
    let dial = PodDial::new(streams, place.namespace(), place.service(), place.port());
    let host = spec::host(session.registry.place()).ok()?;
    Some(
        RegistryClient::new(host, Arc::new(dial), transport)
            .with_credentials(&user)
            .with_timeout(PATIENCE),
    )
}

fn own_credentials(session: &Session, state: &RegistryState) -> Option<Credentials> {
    let json = state.docker_config_json.as_ref()?;
    let parsed = PullSecret::parse(json.expose_secret().as_bytes()).ok()?;
    let auth = parsed.get(&session.registry.place().registry_name())?;
    Credentials::new(auth.username(), auth.password().clone()).ok()
}
