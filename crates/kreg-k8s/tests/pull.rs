//! The pull secret in other namespaces and on service accounts, on a real API server.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    account, cluster, down_with_data, dummy_material, entries, remove_namespaces as remove, spec,
    teams, up, write_as,
};
use kreg_k8s::{
    ApplyOptions, Cluster, DownOptions, Error, Kind, LiveCluster, Manifests, Names, Object,
    ObjectRef, Progress, RegistrySpec, RegistryState, apply, down, pull,
};
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn the_pull_secret_comes_to_other_namespaces_and_goes_without_a_trace() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("pull")).await.unwrap();
    let teams = teams(&cluster, "pull", &["a", "b", "c"]).await;
    let before = account(&cluster, &teams[0]).await;
    let named = pull::Selection::Named(teams[..2].to_vec());
    let chosen = pull::namespaces(&cluster, &named).await.unwrap();
    let accounts = ["default".to_owned()];

    let done = pull::attach(&cluster, spec.place(), &chosen, &accounts)
        .await
        .unwrap();
    assert!(
        done.iter().all(|one| one.state == pull::State::Changed),
        "{done:?}"
    );
    let secret = Names::of(spec.place()).pull_secret;
    let own = cluster.get(&secret).await.unwrap().unwrap();
    for team in &chosen {
        let copy = ObjectRef::new(Kind::Secret, team, secret.name());
        let copy = cluster.get(&copy).await.unwrap().unwrap();
        assert_eq!(copy.value()["data"], own.value()["data"]);
        assert_eq!(copy.text("/type"), Some("kubernetes.io/dockerconfigjson"));
        assert_eq!(entries(&account(&cluster, team).await), [secret.name()]);
    }
    assert!(entries(&account(&cluster, &teams[2]).await).is_empty());

    // Again: nothing to do. And an `up` in between prunes no copy.
    let again = pull::attach(&cluster, spec.place(), &chosen, &accounts)
        .await
        .unwrap();
    assert!(
        again.iter().all(|one| one.state == pull::State::Unchanged),
        "{again:?}"
    );
    up(&cluster, &spec).await.unwrap();
    let copy = ObjectRef::new(Kind::Secret, &teams[1], secret.name());
    assert!(cluster.get(&copy).await.unwrap().is_some());

    // A new password reaches every copy.
    let patch = json!({"stringData": {".dockerconfigjson": r#"{"auths":{"x":{}}}"#}});
    write_as(
        &cluster,
        "kubectl-edit",
        Kind::Secret,
        spec.place().namespace(),
        secret.name(),
        patch,
        false,
    )
    .await;
    pull::refresh(&cluster, spec.place()).await.unwrap();
    let own = cluster.get(&secret).await.unwrap().unwrap();
    let live = cluster.get(&copy).await.unwrap().unwrap();
    assert_eq!(live.value()["data"], own.value()["data"]);

    // Out of one namespace; then `down` takes the other, and the account is as it was.
    pull::detach(&cluster, spec.place(), Some(&teams[1..2]))
        .await
        .unwrap();
    assert!(cluster.get(&copy).await.unwrap().is_none());
    assert_eq!(
        entries(&account(&cluster, &teams[0]).await),
        [secret.name()]
    );
    let removal = down_with_data(&cluster, &spec).await;
    assert!(removal.keep.is_empty(), "{:?}", removal.keep);
    for team in &teams {
        let copy = ObjectRef::new(Kind::Secret, team, secret.name());
        assert!(cluster.get(&copy).await.unwrap().is_none());
    }
    assert_eq!(
        settled(&account(&cluster, &teams[0]).await),
        settled(&before)
    );
    remove(&cluster, &teams).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_copy_that_comes_while_an_apply_runs_is_noted_after_it_too() {
    let cluster = cluster().await;
    let spec = spec("pullwhile");
    let teams = teams(&cluster, "pullwhile", &["a"]).await;
    let full = Manifests::full(&spec, &dummy_material());
    let deployment = Names::of(spec.place()).workload;
    // The Deployment is made after the pull secret, and before the inventory is written for the last time.
    let meanwhile = |event: Progress| {
        if matches!(&event, Progress::Done(change) if change.object == deployment) {
            tokio::task::block_in_place(|| {
                let attached = pull::attach(&cluster, spec.place(), &teams, &[]);
                tokio::runtime::Handle::current()
                    .block_on(attached)
                    .unwrap()
            });
        }
    };
    let applied = apply::apply(&cluster, &full, ApplyOptions::default(), &meanwhile)
        .await
        .unwrap();
    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
    let noted = state.inventory.unwrap();
    assert_eq!(applied.inventory, noted);
    let name = Names::of(spec.place()).pull_secret;
    let copy = ObjectRef::new(Kind::Secret, &teams[0], name.name());
    assert!(noted.copies().eq(std::iter::once(copy.clone())));
    assert!(noted.entries.iter().all(|entry| entry.uid.is_some()));
    down_with_data(&cluster, &spec).await;
    assert!(cluster.get(&copy).await.unwrap().is_none());
    remove(&cluster, &teams).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_namespace_that_went_meanwhile_stops_no_other() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("pullgone")).await.unwrap();
    let teams = teams(&cluster, "pullgone", &["b"]).await;
    let gone = format!("a-{}", teams[0]);
    let all = [gone.clone(), teams[0].clone()];
    let done = pull::attach(&cluster, spec.place(), &all, &["default".into()])
        .await
        .unwrap();
    assert_eq!(done.len(), 2, "{done:?}");
    assert!(
        done.iter()
            .all(|one| one.object.namespace() == Some(&teams[0]))
    );
    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
    let noted = state.inventory.unwrap();
    assert!(!noted.shared.contains_key(&gone), "{noted:?}");
    down_with_data(&cluster, &spec).await;
    remove(&cluster, &teams).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn many_who_write_to_one_service_account_at_once_lose_no_entry() {
    const WRITERS: usize = 8;
    let cluster = cluster().await;
    let teams = teams(&cluster, "race", &["x"]).await;
    let theirs = json!({"imagePullSecrets": [{"name": "from-somebody-else"}]});
    write_as(
        &cluster,
        "other-tool",
        Kind::ServiceAccount,
        &teams[0],
        "default",
        theirs,
        false,
    )
    .await;
    let mut specs = Vec::new();
    for number in 0..WRITERS {
        specs.push(
            up(&cluster, &spec(&format!("race{number}")))
                .await
                .unwrap()
                .0,
        );
    }
    let accounts = ["default".to_owned()];
    let all = |task: fn(&LiveCluster, &RegistrySpec, &[String], &[String]) -> Task| {
        let running: Vec<_> = specs
            .iter()
            .map(|spec| tokio::spawn(task(&cluster, spec, &teams, &accounts)))
            .collect();
        futures::future::join_all(running)
    };

    for ended in all(attach).await {
        ended.unwrap().unwrap();
    }
    let mut expected: Vec<String> = specs
        .iter()
        .map(|spec| Names::of(spec.place()).pull_secret.name().to_owned())
        .collect();
    expected.push("from-somebody-else".into());
    expected.sort();
    let mut there = entries(&account(&cluster, &teams[0]).await);
    there.sort();
    assert_eq!(there, expected);

    for ended in all(detach).await {
        ended.unwrap().unwrap();
    }
    assert_eq!(
        entries(&account(&cluster, &teams[0]).await),
        ["from-somebody-else"]
    );
    for spec in &specs {
        down_with_data(&cluster, spec).await;
    }
    remove(&cluster, &teams).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_foreign_secret_of_that_name_stops_it_before_anything_is_written() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("pullforeign")).await.unwrap();
    let teams = teams(&cluster, "pullforeign", &["a", "b"]).await;
    let name = Names::of(spec.place()).pull_secret.name().to_owned();
    write_as(
        &cluster,
        "somebody",
        Kind::Secret,
        &teams[1],
        &name,
        json!({"stringData": {"a": "b"}}),
        true,
    )
    .await;
    let error = pull::attach(&cluster, spec.place(), &teams, &["default".into()])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Foreign { objects } if objects.len() == 1),
        "{error}"
    );
    let copy = ObjectRef::new(Kind::Secret, &teams[0], &name);
    assert!(cluster.get(&copy).await.unwrap().is_none());
    let absent = pull::Selection::Named(vec!["t-no-such-namespace".into()]);
    let text = pull::namespaces(&cluster, &absent)
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("t-no-such-namespace"), "{text}");

    // What was listed before kreg came stays when it goes.
    let listed = json!({"imagePullSecrets": [{"name": name}]});
    write_as(
        &cluster,
        "somebody",
        Kind::ServiceAccount,
        &teams[0],
        "default",
        listed,
        false,
    )
    .await;
    pull::attach(&cluster, spec.place(), &teams[..1], &["default".into()])
        .await
        .unwrap();
    let options = DownOptions {
        delete_data: true,
        keep_record: false,
        timeout: std::time::Duration::from_secs(60),
    };
    let planned = down::plan_down(&cluster, spec.place(), options)
        .await
        .unwrap();
    assert!(
        planned.detach.is_empty() && planned.delete.contains(&copy),
        "{planned:?}"
    );
    down_with_data(&cluster, &spec).await;
    assert_eq!(entries(&account(&cluster, &teams[0]).await), [name]);
    remove(&cluster, &teams).await;
}

type Task = futures::future::BoxFuture<'static, Result<Vec<pull::Outcome>, Error>>;

fn attach(
    cluster: &LiveCluster,
    spec: &RegistrySpec,
    teams: &[String],
    accounts: &[String],
) -> Task {
    let (cluster, spec, teams, accounts) = (
        cluster.clone(),
        spec.clone(),
        teams.to_vec(),
        accounts.to_vec(),
    );
    Box::pin(async move { pull::attach(&cluster, spec.place(), &teams, &accounts).await })
}

fn detach(cluster: &LiveCluster, spec: &RegistrySpec, _: &[String], _: &[String]) -> Task {
    let (cluster, spec) = (cluster.clone(), spec.clone());
    Box::pin(async move { pull::detach(&cluster, spec.place(), None).await })
}

/// Without what every write changes.
fn settled(account: &Object) -> Value {
    let mut value = account.value().clone();
    for key in ["resourceVersion", "managedFields"] {
        value["metadata"].as_object_mut().unwrap().remove(key);
    }
    value
}
