//! `kreg doctor`: what is wrong, why, and how to fix it.

mod client;
mod last;
mod nodes;
mod objects;
mod pulls;
mod registry;
mod unmanaged;

use clap::{Args, Subcommand};
use kreg_k8s::rights::{self, Right};
use kreg_k8s::{Cluster, Kind, Object, ObjectRef, Query, RegistryState};
use kreg_verify::doctor::{Observations, examine};
use serde::Serialize;

use crate::app::App;
use crate::args::TargetArgs;
use crate::error::{Ending, Error};
use crate::fixes::{self, Finding};
use crate::output;
use crate::session::{Session, count};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DoctorArgs {
    #[command(subcommand)]
    part: Option<Part>,

    /// Of the nodes, look at these only
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,

    /// Only look: start no Pod and push no image. Without it, the proof is run where nothing else
    /// shows a cause, for only a pull tells what a runtime does
    #[arg(long)]
    no_proof: bool,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// This machine's container client: is one there, does its daemon answer, may you use it without sudo
    Client,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    namespace: String,
    /// Root causes first, each with its consequences.
    findings: Vec<Finding>,
    /// What could not be looked at, and why.
    not_looked_at: Vec<String>,
}

pub(crate) async fn run(app: &App, args: &DoctorArgs) -> Result<Ending, Error> {
    if let Some(Part::Client) = args.part {
        return client::run(app).await;
    }
    let session = Session::open(app, &args.target, true).await?;
    let mut look = Look::new(&session);
    let step = app
        .progress
        .step("looking at objects, registry, nodes and pulls");
    let (state, mut seen) = match gather(&session, &mut look, &args.nodes).await {
        Ok(seen) => seen,
        Err(error) => return Err(for_want_of_rights(&session).await.unwrap_or(error)),
    };
    step.done("");
    match args.no_proof {
        false => last::proof(&mut look, &session, &state, &mut seen).await?,
        true => look
            .unseen
            .push("whether nodes can pull: --no-proof leaves that out".to_owned()),
    }
    if !look.unseen.is_empty() {
        let needed = rights::needed_to_diagnose(session.registry.place(), session.extras());
        let missing = rights::lacking(session.registry.cluster().as_ref(), needed).await?;
        look.unseen.extend(told_together(&missing));
    }
    tracing::debug!(seen = %noted(&seen), "observed");
    let options = fixes::options(session.registry.place());
    let findings = examine(&seen).into_iter();
    let outcome = Outcome {
        registry: session.registry.place().registry_name(),
        namespace: session.registry.place().namespace().to_owned(),
        findings: findings.map(|one| Finding::new(one, &options)).collect(),
        not_looked_at: look.unseen,
    };
    output::print(app.global.output, "Doctor", &outcome, text)?;
    match outcome.findings.len() {
        0 => Ok(Ending::Done),
        some => Err(Error::failed(format!(
            "{} found at registry {}",
            count(some, "cause"),
            session.registry.place().instance()
        ))
        .told()),
    }
}

/// For the log, where files' contents have no place: others' may hold passwords.
fn noted(seen: &Observations) -> String {
    let mut seen = seen.clone();
    let files = seen.nodes.iter_mut().flat_map(|node| &mut node.files);
    for file in files {
        let told = match &file.now {
            Some(now) if *now == file.wanted => "as wanted".to_owned(),
            Some(now) => format!("{} other bytes", now.len()),
            None => "not there".to_owned(),
        };
        (file.wanted, file.now) = (String::new(), Some(told));
    }
    serde_json::to_string(&seen).unwrap_or_default()
}

/// Every missing right, if that may be why a doctor could not even begin.
async fn for_want_of_rights(session: &Session) -> Option<Error> {
    let needed = rights::needed_to_diagnose(session.registry.place(), session.extras());
    let cause = match rights::require(session.registry.cluster().as_ref(), needed).await {
        Err(cause @ kreg_k8s::Error::Rights { .. }) => cause,
        _ => return None,
    };
    Some(Error::failed("this user may not look at the registry").because(&cause))
}

/// One line for all of them, with the way to get them.
fn told_together(missing: &[Right]) -> Option<String> {
    let all: Vec<_> = missing.iter().map(ToString::to_string).collect();
    (!all.is_empty()).then(|| {
        format!(
            "missing rights: {}; `kreg export rbac --for doctor` prints what it needs",
            all.join(", ")
        )
    })
}

async fn gather(
    session: &Session,
    look: &mut Look<'_>,
    only: &[String],
) -> Result<(RegistryState, Observations), Error> {
    let state = session.registry.state().await?;
    if !state.exists() {
        let found = unmanaged::seen(look, session, &state).await?;
        return match found {
            Some(seen) => Ok((state, seen)),
            None => Err(session.existing().await.err().unwrap_or_else(|| {
                Error::failed("the registry came up while it was looked for; run this again")
            })),
        };
    }
    let mut seen = Observations {
        registry: objects::registry(session, &state),
        ..Observations::default()
    };
    objects::workload(look, session, &mut seen).await?;
    objects::surroundings(look, session, &mut seen).await?;
    registry::certificates(session, &state, &mut seen)?;
    registry::users(look, session, &state, &mut seen).await?;
    registry::answers(look, session, &state, &mut seen).await;
    nodes::nodes(look, session, &state, only, &mut seen).await?;
    pulls::pulls(look, session, &state, &mut seen).await?;
    last::changed(look, session, &state, &mut seen).await?;
    Ok((state, seen))
}

/// The cluster, and a list of what could not be looked at there: a doctor goes on without it.
struct Look<'a> {
    cluster: &'a dyn Cluster,
    unseen: Vec<String>,
}

impl<'a> Look<'a> {
    fn new(session: &'a Session) -> Self {
        Self {
            cluster: session.registry.cluster().as_ref(),
            unseen: Vec::new(),
        }
    }

    /// `None` if the user may not look there.
    fn allowed<T>(&mut self, answer: Result<T, kreg_k8s::Error>) -> Result<Option<T>, Error> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(kreg_k8s::Error::Denied { message, .. }) => {
                self.unseen.push(message);
                Ok(None)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// `None` if it may not be looked at; else what is there.
    async fn get(&mut self, object: &ObjectRef) -> Result<Option<Option<Object>>, Error> {
        let answer = self.cluster.get(object).await;
        self.allowed(answer)
    }

    async fn list(&mut self, query: &Query) -> Result<Vec<Object>, Error> {
        let answer = self.cluster.list(query).await;
        Ok(self.allowed(answer)?.unwrap_or_default())
    }

    /// The warning and other events of an object, newest last.
    async fn events(&mut self, object: &Object) -> Result<Vec<String>, Error> {
        let Some(uid) = object.uid() else {
            return Ok(Vec::new());
        };
        let query = Query::all(Kind::Event)
            .within(object.reference().namespace().unwrap_or("default"))
            .with_fields(format!("involvedObject.uid={uid}"));
        let mut events = self.list(&query).await?;
        events.sort_by_key(|event| {
            let times = [
                "/series/lastObservedTime",
                "/lastTimestamp",
                "/eventTime",
                "/metadata/creationTimestamp",
            ];
            let seen = times.iter().find_map(|time| event.text(time));
            seen.unwrap_or_default().to_owned()
        });
        let line = |event: &Object| {
            let text = |at| event.text(at).unwrap_or_default().trim().to_owned();
            format!("{}: {}", text("/reason"), text("/message"))
        };
        Ok(events.iter().map(line).collect())
    }
}

/// `Deployment kreg-system/docker-registry`.
fn titled(object: &ObjectRef) -> String {
    match object.namespace() {
        Some(namespace) => format!("{} {namespace}/{}", object.kind().name(), object.name()),
        None => format!("{} {}", object.kind().name(), object.name()),
    }
}

fn text(outcome: &Outcome) -> String {
    let findings = outcome.findings.iter();
    let mut parts: Vec<String> = findings.map(|one| one.text().to_owned()).collect();
    if outcome.findings.is_empty() {
        parts.push(format!(
            "nothing found: {} in namespace {} is well, as far as was looked",
            outcome.registry, outcome.namespace
        ));
    }
    if !outcome.not_looked_at.is_empty() {
        let lines = outcome
            .not_looked_at
            .iter()
            .map(|line| format!("\n- {line}"));
        parts.push(format!("not looked at:{}", lines.collect::<String>()));
    }
    output::coloured(&parts.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use kreg_verify::doctor::{NodeFile, NodeSeen};

    use super::*;

    #[test]
    fn the_log_has_no_file_in_it() {
        let file = NodeFile {
            path: "/etc/hosts.toml".to_owned(),
            wanted: "wanted".to_owned(),
            now: Some("Authorization = \"Basic geheim\"".to_owned()),
        };
        let seen = Observations {
            nodes: vec![NodeSeen {
                files: vec![file],
                ..NodeSeen::default()
            }],
            ..Observations::default()
        };
        let noted = noted(&seen);
        assert!(!noted.contains("geheim"), "{noted}");
        assert!(
            noted.contains("/etc/hosts.toml") && noted.contains("30 other bytes"),
            "{noted}"
        );
    }
}
