//! Every request of a registry's life fails once, in every way that a busy, restarting or far API server fails: it ends
//! as if none had, with nothing doubled and nothing lost.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    account, cluster, contents, down_with_data, dummy_material, entries, remove_namespaces, spec,
    teams,
    unruly::{FAULTS, Fault, Unruly},
    up,
};
use kreg_k8s::{
    ApplyOptions, Cluster, Kind, LiveCluster, Manifests, Names, ObjectRef, Query, RegistrySpec,
    RegistryState, plan, pull, secret,
};
use secrecy::ExposeSecret as _;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn whatever_fails_once_an_up_and_a_down_end_as_if_nothing_had() {
    let cluster = cluster().await;
    let lives = FAULTS.map(|fault| one_life(&cluster, fault));
    let spoilt = futures::future::join_all(lives).await;
    assert!(spoilt.iter().all(|number| *number > 60), "{spoilt:?}");
}

async fn one_life(real: &LiveCluster, fault: Fault) -> usize {
    let spec = named(fault);
    let unruly = Unruly::in_front_of(real, fault).await;
    let (pinned, _) = up(&unruly.cluster, &spec).await.unwrap();

    let full = Manifests::full(&pinned, &dummy_material());
    let after = plan(real, &full, ApplyOptions::default()).await.unwrap();
    assert!(!after.has_changes(), "{fault:?}: {after:?}");
    let state = RegistryState::read(real, spec.place()).await.unwrap();
    let inventory = state.inventory.unwrap();
    assert_eq!(inventory.entries.len(), full.objects().len(), "{fault:?}");
    for entry in &inventory.entries {
        let live = real.get(&entry.object).await.unwrap().unwrap();
        assert_eq!(
            entry.uid.as_deref(),
            live.uid(),
            "{fault:?}: {}",
            entry.object
        );
    }
    for kind in [
        Kind::Service,
        Kind::Secret,
        Kind::ConfigMap,
        Kind::Deployment,
    ] {
        let there = real
            .list(&Query::all(kind).within(spec.place().namespace()))
            .await
            .unwrap();
        let ours = there
            .iter()
            .filter(|object| kreg_k8s::names::is_labelled(object, spec.place().instance()));
        let wanted = full
            .objects()
            .iter()
            .filter(|object| object.reference().kind() == kind)
            .count();
        assert_eq!(ours.count(), wanted, "{fault:?}: {kind}");
    }

    let (_, again) = up(&unruly.cluster, &spec).await.unwrap();
    assert!(
        again.iter().all(|change| !change.is_change()),
        "{fault:?}: {again:?}"
    );
    down_with_data(&unruly.cluster, &spec).await;
    assert!(
        contents(real, spec.place().namespace()).await.is_empty(),
        "{fault:?}"
    );
    unruly.spoilt()
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_line_that_is_added_to_a_secret_is_there_once_whatever_failed() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("lines")).await.unwrap();
    let secret = Names::of(spec.place()).htpasswd;
    for fault in FAULTS {
        let unruly = Unruly::in_front_of(&cluster, fault).await;
        let line = format!("{fault:?}\n");
        let changed = secret::edit(&unruly.cluster, spec.place(), &secret, "htpasswd", |text| {
            let text = text.expose_secret();
            // As a user is added: one who is there already is an error.
            assert!(!text.contains(&line), "{fault:?} is added twice");
            Ok::<_, kreg_k8s::Error>(format!("{text}{line}").into())
        });
        assert!(changed.await.unwrap(), "{fault:?}");
    }
    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
    let text = state.htpasswd.unwrap();
    let lines: Vec<_> = text
        .expose_secret()
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect();
    assert_eq!(lines, FAULTS.map(|fault| format!("{fault:?}")));
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_pull_secret_is_attached_once_and_taken_off_whatever_failed() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("attach")).await.unwrap();
    let teams = teams(&cluster, "attach", &["a"]).await;
    let secret = Names::of(spec.place()).pull_secret;
    for fault in FAULTS {
        let unruly = Unruly::in_front_of(&cluster, fault).await;
        let accounts = ["default".to_owned()];
        pull::attach(&unruly.cluster, spec.place(), &teams, &accounts)
            .await
            .unwrap();
        assert_eq!(
            entries(&account(&cluster, &teams[0]).await),
            [secret.name()],
            "{fault:?}"
        );
        pull::detach(&unruly.cluster, spec.place(), None)
            .await
            .unwrap();
        assert!(
            entries(&account(&cluster, &teams[0]).await).is_empty(),
            "{fault:?}"
        );
        let copy = ObjectRef::new(Kind::Secret, &teams[0], secret.name());
        assert!(cluster.get(&copy).await.unwrap().is_none(), "{fault:?}");
    }
    remove_namespaces(&cluster, &teams).await;
    down_with_data(&cluster, &spec).await;
}

fn named(fault: Fault) -> RegistrySpec {
    let name = match fault {
        Fault::Status(code, _) => code.to_string(),
        Fault::CutBefore => "before".to_owned(),
        Fault::CutAfter => "after".to_owned(),
    };
    spec(&format!("unruly-{name}"))
}
