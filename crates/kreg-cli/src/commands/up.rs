//! `kreg up`: the registry's objects, then trust on every node, then the proof.

mod directory;

use std::net::IpAddr;

use kreg_k8s::{
    ApplyOptions, Change, Manifests, ObjectRef, Place, Progress as Event, RegistrySpec,
    RegistryState, apply, rights, wait,
};
use kreg_nodes::Receipt;
use serde::Serialize;

use crate::agents;
use crate::app::App;
use crate::args::UpArgs;
use crate::config::Backend;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::intent::{self, Intent};
use crate::material::Decision;
use crate::output;
use crate::progress::Step;
use crate::proof::{self, Proof};
use crate::session::{Session, count};
use crate::startup_taint::{Lifting, Waiting};
use directory::Directory;

/// What `up` did, as `-o json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    namespace: String,
    #[serde(rename = "clusterIP")]
    cluster_ip: IpAddr,
    changed: bool,
    objects: Vec<Change>,
    nodes: Vec<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    startup_taint: Option<Lifting>,
}

pub(crate) async fn run(app: &App, args: &UpArgs) -> Result<Ending, Error> {
    let intent = Intent::read(app, &args.spec)?;
    let mut session = Session::open(app, &args.spec.target, false).await?;
    session.adopt = intent.adopt();
    let spec = intent.spec(&session)?;
    session
        .facts
        .check(&spec)
        .tried("the cluster is not fit for this registry; nothing was changed")?;
    rights::check(&session.cluster, &spec)
        .await
        .tried("this user may not do all that is needed; nothing was changed")?;
    let taint = intent.startup_taint().filter(|_| !args.skip_verify);
    let waiting = Waiting::read(&session, taint.cloned()).await?;
    let state = session.state().await?;
    intent.check(&session, &spec, &state).await?;
    let spec = Intent::at_its_address(&session, spec, &state).await?;
    let nodes = if args.skip_nodes {
        None
    } else {
        Some(preflight(app, &session, &spec, &intent, &state)?)
    };

    if nodes.is_some() {
        agents_of_before(&session).await?;
    }
    let directory = Directory::of(&session, nodes.as_ref(), &spec, &state, intent.adopt())?;
    let up = cluster(app, &session, spec, &intent, &state, directory.as_ref()).await?;
    let receipts = match &nodes {
        Some(nodes) => trust(app, &session, nodes, &intent, &up).await?,
        None => Vec::new(),
    };
    let proof = if args.skip_verify {
        None
    } else {
        Some(prove(app, &session, &up, &receipts).await?)
    };
    let startup_taint = match (&waiting, &proof) {
        (Some(waiting), Some(proof)) => Some(waiting.lift(app, &session, proof.report()).await?),
        _ => None,
    };

    let outcome = Outcome {
        registry: up.spec.place().registry_name(),
        namespace: up.spec.place().namespace().to_owned(),
        cluster_ip: up.address,
        changed: up.changes.iter().any(Change::is_change)
            || receipts
                .iter()
                .any(|receipt| receipt.state == kreg_nodes::State::Changed),
        objects: up.changes,
        nodes: receipts,
        proof: proof.as_ref().map(Proof::to_json).transpose()?,
        startup_taint,
    };
    output::print(app.global.output, "Up", &outcome, |outcome| {
        text(outcome, proof.as_ref())
    })?;
    fleet::judge(&outcome.nodes, "not done")?;
    super::secret::judge(&up.not_renewed)?;
    proof.as_ref().map_or(Ok(Ending::Done), Proof::judge)
}

/// Nodes that are reached from here now need no agents, and two must not keep one file. They go while the record still
/// lists them.
async fn agents_of_before(session: &Session) -> Result<(), Error> {
    if session.settings.nodes.backend != Backend::DaemonSet && session.agents.are_there() {
        let instance = fleet::instance(&session.place)?;
        agents::remove(&session.cluster, &instance, session.settings.timeout).await?;
    }
    Ok(())
}

/// Every node is looked at before anything is written anywhere.
fn preflight(
    app: &App,
    session: &Session,
    spec: &RegistrySpec,
    intent: &Intent,
    state: &RegistryState,
) -> Result<Nodes, Error> {
    let nodes = Nodes::of(session, &session.facts, (spec.place(), spec.image()), &[])?;
    let step = app.progress.step(format!("nodes by {}", nodes.way()));
    let was_ready = nodes.is_ready();
    nodes.prepare()?;
    let trust = intent::provisional_trust(session, state)?.with_adopt(intent.adopt());
    let refusals: Vec<Receipt> = nodes
        .plan(&trust)
        .into_iter()
        .filter_map(|plan| plan.result.err())
        .map(|refusal| *refusal)
        .collect();
    let (bad, all) = (refusals.len(), nodes.len());
    if bad == 0 {
        step.done(format!("{all} of {all} reached and fit"));
        return Ok(nodes);
    }
    let summary = format!("{} of {all} reached and fit", all - bad);
    if bad < all {
        step.partly(summary);
        for refusal in &refusals {
            app.progress.note(refusal.to_string());
        }
        return Ok(nodes);
    }
    step.failed(summary);
    if !was_ready {
        nodes.retire()?;
    }
    let why = fleet::listed(&refusals);
    Err(Error::failed(format!("no node can be made to trust the registry; nothing was changed:\n{why}"))
        .help("see the flags --ssh-user, --ssh-identity and --ssh-known-hosts, or [nodes.ssh] in kreg.toml"))
}

/// How often certificates and passwords are decided anew because somebody else was quicker. Of two who both do it for
/// the first time, one loses at most once for each Secret.
const OVERTAKEN: u32 = 10;

/// A registry that runs.
struct Running {
    spec: RegistrySpec,
    address: IpAddr,
    changes: Vec<Change>,
    /// Copies of the pull secret that could not be written, each with the reason.
    not_renewed: Vec<(ObjectRef, kreg_k8s::Error)>,
    decision: Decision,
}

async fn cluster(
    app: &App,
    session: &Session,
    spec: RegistrySpec,
    intent: &Intent,
    state: &RegistryState,
    directory: Option<&Directory<'_>>,
) -> Result<Running, Error> {
    let cluster = &session.cluster;
    let options = ApplyOptions {
        adopt: intent.adopt(),
        force: false,
    };

    let step = app.progress.step("service and storage");
    let foundation = Manifests::foundation(&spec);
    let first = apply::apply(cluster, &foundation, options, &|event| show(&step, &event))
        .await
        .tried("cannot put the registry's service and storage into the cluster")?;
    let address = apply::cluster_ip(cluster, &foundation)
        .await
        .tried("cannot read the address of the registry's service")?;
    // Of several who make the registry at once, the first one's id counts.
    let id = Some(first.inventory.id.clone());
    let spec = spec.with_cluster_ip(Some(address)).with_id(id);
    {
        let watcher = |event: Event| show(&step, &event);
        let waiting = wait::Wait::new(session.settings.timeout, &watcher);
        wait::storage_ready(cluster, &spec, &waiting)
            .await
            .tried("the registry's storage does not come up")?;
    }
    if let Some(directory) = directory {
        directory.is_free(app, spec.place())?;
    }
    step.done(format!("{}, address {address}", changed(&first.changes)));

    let mut now: Option<RegistryState> = None;
    let mut lost = 0;
    let (decision, step, second) = loop {
        let state = now.as_ref().unwrap_or(state);
        let step = app.progress.step("certificate and password");
        let decision = tokio::task::block_in_place(|| intent.decide(&spec, address, state))?;
        step.done(if decision.made.is_empty() {
            "kept".to_owned()
        } else {
            decision.made.join(", ")
        });

        let step = app.progress.step("registry");
        let manifests = Manifests::full(&spec, &decision.material).decided_on(&state.versions);
        let applied =
            apply::apply(cluster, &manifests, options, &|event| show(&step, &event)).await;
        match applied {
            Err(kreg_k8s::Error::Overtaken { object }) if lost < OVERTAKEN => {
                lost += 1;
                step.partly(format!(
                    "somebody else wrote {object} at the same time; deciding anew by what is there"
                ));
                now = Some(session.state().await?);
            }
            other => {
                let applied = other.tried("cannot put the registry into the cluster")?;
                break (decision, step, applied);
            }
        }
    };
    ready(session, spec.place(), &step).await?;
    if let Some(directory) = directory {
        directory.claim(app, spec.place()).await?;
    }
    // Before anybody pulls with the new password.
    let (_, not_renewed) = kreg_k8s::pull::refresh(cluster, spec.place())
        .await
        .tried("cannot renew the pull secret in other namespaces")?;
    step.done(format!("{}, ready", changed(&second.changes)));
    Ok(Running {
        spec,
        address,
        changes: merged(first.changes, second.changes),
        not_renewed,
        decision,
    })
}

/// The foundation is applied twice; its first pass says what happened.
fn merged(first: Vec<Change>, second: Vec<Change>) -> Vec<Change> {
    let mut all = first;
    for change in second {
        match all.iter_mut().find(|known| known.object == change.object) {
            Some(known) if !known.is_change() => *known = change,
            Some(_) => {}
            None => all.push(change),
        }
    }
    all
}

fn show(step: &Step<'_>, event: &Event) {
    match event {
        Event::Done(change) => step.at(&change.object.to_string()),
        Event::Waiting(object, state) => step.at(&format!("{object} is {state}")),
        Event::Deleted(object) => step.at(&format!("{object} is gone")),
        _ => {}
    }
}

fn changed(changes: &[Change]) -> String {
    match changes.iter().filter(|change| change.is_change()).count() {
        0 => "unchanged".to_owned(),
        some => format!("{} of {} changed", some, count(changes.len(), "object")),
    }
}

async fn ready(session: &Session, place: &Place, step: &Step<'_>) -> Result<(), Error> {
    let watcher = |event: Event| show(step, &event);
    let wait = wait::Wait::new(session.settings.timeout, &watcher);
    wait::registry_ready(&session.cluster, place, &wait)
        .await
        .tried("the registry does not come up")
}

async fn trust(
    app: &App,
    session: &Session,
    nodes: &Nodes,
    intent: &Intent,
    up: &Running,
) -> Result<Vec<Receipt>, Error> {
    let trust = fleet::trust(
        &session.settings,
        up.spec.place(),
        up.address,
        &up.decision.material.ca_bundle_pem,
    )?
    .with_adopt(intent.adopt());
    let step = app.progress.step("trust on the nodes");
    let receipts = nodes.trust(&trust);
    // On a node whose runtime was restarted its Pod is not ready for a moment.
    ready(session, up.spec.place(), &step).await?;
    let number = |state| {
        receipts
            .iter()
            .filter(|receipt| receipt.state == state)
            .count()
    };
    let (changed, unchanged) = (
        number(kreg_nodes::State::Changed),
        number(kreg_nodes::State::Unchanged),
    );
    let summary = match (changed, receipts.len()) {
        (0, all) if unchanged == all => "unchanged".to_owned(),
        (changed, all) => format!(
            "{changed} changed, {unchanged} unchanged of {}",
            count(all, "node")
        ),
    };
    if changed + unchanged == receipts.len() {
        step.done(summary);
    } else {
        step.partly(summary);
    }
    for warning in receipts
        .iter()
        .flat_map(|receipt| receipt.warnings.iter().map(|text| (&receipt.node, text)))
    {
        app.progress.note(format!("{}: {}", warning.0, warning.1));
    }
    Ok(receipts)
}

/// Only nodes that hold the trust can prove it; the others are told of by name anyway.
async fn prove(
    app: &App,
    session: &Session,
    up: &Running,
    receipts: &[Receipt],
) -> Result<Proof, Error> {
    let good: Vec<String> = receipts
        .iter()
        .filter(|receipt| receipt.is_ok())
        .map(|receipt| receipt.node.clone())
        .collect();
    let material = &up.decision.material;
    proof::prove(
        app,
        session,
        up.spec.place(),
        &proof::Keys {
            bundle_pem: &material.ca_bundle_pem,
            credentials: &up.decision.credentials,
        },
        &good,
    )
    .await
}

fn text(outcome: &Outcome, proof: Option<&Proof>) -> String {
    let mut lines = Vec::new();
    if let Some(proof) = proof {
        lines.push(proof.table());
    }
    let what = match (proof.map(Proof::holds), outcome.changed) {
        (Some(false), _) => "is up, but the proof does not hold",
        (_, true) => "is up",
        (_, false) => "is up; nothing was changed",
    };
    lines.push(format!(
        "{} {what}. Images are named {}/NAME:TAG.",
        outcome.registry, outcome.registry
    ));
    lines.join("\n\n")
}
