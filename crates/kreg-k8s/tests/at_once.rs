//! Several first applies at once, on a real API server: one wins each Secret, and all end with one and the same
//! certificates and passwords.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Mortal, cluster, down_with_data, dummy_material, quiet, spec};
use kreg_k8s::{
    ApplyOptions, Cluster, Error, LiveCluster, Manifests, Material, Names, RegistrySpec,
    RegistryState, apply, names, plan,
};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

const OPERATORS: usize = 5;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn however_many_are_the_first_at_once_all_end_with_the_same_material() {
    let cluster = cluster().await;
    let rounds = (0..4).map(|round| first_at_once(&cluster, round));
    let overtaken: u32 = futures::future::join_all(rounds).await.iter().sum();
    assert!(overtaken > 0, "nobody ever lost a race: this tests nothing");
}

/// Returns how often somebody was overtaken.
async fn first_at_once(cluster: &LiveCluster, round: usize) -> u32 {
    let spec = spec(&format!("first-{round}"));
    let operators = (0..OPERATORS).map(|name| up(cluster, &spec, name));
    let ends = futures::future::join_all(operators).await;
    let (material, lost): (Vec<_>, Vec<_>) = ends.into_iter().map(Result::unwrap).unzip();
    let there = consistent(cluster, &spec).await;
    for (name, one) in material.iter().enumerate() {
        assert_eq!(texts(one), there, "operator {name} in round {round}");
    }
    // Nobody is to find anything left to do.
    let state = RegistryState::read(cluster, spec.place()).await.unwrap();
    let spec = spec.with_cluster_ip(state.cluster_ip);
    let full = Manifests::full(&spec, &state.material()).decided_on(&state.versions);
    let planned = plan(cluster, &full, ApplyOptions::default()).await.unwrap();
    assert!(!planned.has_changes(), "round {round}: {planned:?}");
    down_with_data(cluster, &spec).await;
    lost.iter().sum()
}

/// One is killed at some write, while another goes on.
#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn one_of_two_is_killed_wherever_and_what_is_there_fits_together() {
    let cluster = cluster().await;
    // The two share a dozen writes as the server lets them: who has few of them left to do lives on,
    // so that the early deaths stand here twice.
    let lives = (2..6).chain(2..13).enumerate().map(|(life, writes)| {
        let cluster = &cluster;
        async move {
            let spec = spec(&format!("killed-{life}"));
            let mortal = Mortal::new(cluster, writes);
            let (first, second) = tokio::join!(up(&mortal, &spec, 0), up(cluster, &spec, 1));
            let (material, _) = second.unwrap();
            assert_eq!(texts(&material), consistent(cluster, &spec).await);
            down_with_data(cluster, &spec).await;
            u32::from(first.is_err())
        }
    });
    let killed: u32 = futures::future::join_all(lives).await.iter().sum();
    assert!(killed > 5, "{killed} of 15 were killed");
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn what_was_decided_on_an_older_state_is_not_written() {
    let cluster = cluster().await;
    let spec = spec("older");
    let (_, lost) = up(&cluster, &spec, 0).await.unwrap();
    assert_eq!(lost, 0);
    let old = RegistryState::read(&cluster, spec.place()).await.unwrap();
    let secret = Names::of(spec.place()).htpasswd;
    kreg_k8s::secret::edit(&cluster, spec.place(), &secret, "htpasswd", |_| {
        Ok::<_, Error>("alice was added".into())
    })
    .await
    .unwrap();
    let mut material = old.material();
    material.htpasswd = "bob was added".into();
    let spec = spec.with_cluster_ip(old.cluster_ip);
    let full = Manifests::full(&spec, &material).decided_on(&old.versions);
    let error = apply::apply(&cluster, &full, ApplyOptions::default(), &quiet)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Overtaken { object } if *object == secret),
        "{error}"
    );
    assert!(error.to_string().contains("run the same command again"));
    let now = RegistryState::read(&cluster, spec.place()).await.unwrap();
    assert_eq!(now.htpasswd.unwrap().expose_secret(), "alice was added");
    down_with_data(&cluster, &spec).await;
}

/// As `kreg up` does it; returns what it ended with, and how often it was overtaken.
async fn up(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    operator: usize,
) -> Result<(Material, u32), Error> {
    let mut state = RegistryState::read(cluster, spec.place()).await?;
    let options = ApplyOptions::default();
    let foundation = Manifests::foundation(spec);
    apply::apply(cluster, &foundation, options, &quiet).await?;
    let address = apply::cluster_ip(cluster, &foundation).await?;
    let spec = spec.clone().with_cluster_ip(Some(address));
    let mut lost = 0;
    loop {
        let material = decide(&state, operator);
        let full = Manifests::full(&spec, &material).decided_on(&state.versions);
        match apply::apply(cluster, &full, options, &quiet).await {
            Ok(_) => return Ok((material, lost)),
            Err(Error::Overtaken { .. }) if lost < 10 => {
                lost += 1;
                state = RegistryState::read(cluster, spec.place()).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Keeps what is there if it fits, else makes it: the leaf says by which CA, the file of hashes of which password.
fn decide(state: &RegistryState, operator: usize) -> Material {
    let held = state.material();
    let or = |there: &str, new: String| match there.is_empty() {
        true => new,
        false => there.to_owned(),
    };
    let ca = or(&held.ca_bundle_pem, format!("ca of {operator}\n"));
    let ca_key = held
        .ca_key_pem
        .as_ref()
        .map_or("", |key| key.expose_secret());
    let ca_key = or(ca_key, format!("key of the {ca}"));
    let leaf = match held.tls_chain_pem.ends_with(&ca) {
        true => held.tls_chain_pem.clone(),
        false => format!("leaf of {operator} by the {ca}"),
    };
    let key = match held.tls_chain_pem == leaf {
        true => held.tls_key_pem.clone(),
        false => format!("key of the {leaf}").into(),
    };
    let pull = or(
        held.docker_config_json.expose_secret(),
        format!("{{\"auths\":{{\"r\":{{\"password\":\"{operator}\"}}}}}}"),
    );
    let hash = match held.htpasswd.expose_secret().ends_with(&pull) {
        true => held.htpasswd.clone(),
        false => format!("hash by {operator} of {pull}").into(),
    };
    let http = or(held.http_secret.expose_secret(), operator.to_string());
    Material {
        tls_chain_pem: leaf,
        tls_key_pem: key,
        ca_bundle_pem: ca,
        ca_key_pem: Some(ca_key.into()),
        htpasswd: hash,
        http_secret: http.into(),
        docker_config_json: pull.into(),
        ..dummy_material()
    }
}

fn texts(material: &Material) -> Vec<String> {
    let secrets = [
        &material.tls_key_pem,
        material.ca_key_pem.as_ref().unwrap(),
        &material.docker_config_json,
        &material.htpasswd,
        &material.http_secret,
    ];
    [&material.ca_bundle_pem, &material.tls_chain_pem]
        .into_iter()
        .cloned()
        .chain(secrets.iter().map(|text| text.expose_secret().to_owned()))
        .collect()
}

/// What the cluster holds, and that its parts belong together.
async fn consistent(cluster: &dyn Cluster, spec: &RegistrySpec) -> Vec<String> {
    let state = RegistryState::read(cluster, spec.place()).await.unwrap();
    let material = state.material();
    let all = texts(&material);
    let [ca, leaf, key, ca_key, pull, hash, _] = &all[..] else {
        panic!("{all:?}")
    };
    assert!(leaf.ends_with(ca), "{all:?}");
    assert_eq!(
        (key, ca_key),
        (&format!("key of the {leaf}"), &format!("key of the {ca}"))
    );
    assert!(hash.ends_with(pull), "{all:?}");
    let workload = cluster
        .get(&Names::of(spec.place()).workload)
        .await
        .unwrap()
        .unwrap();
    let pod = workload
        .value()
        .pointer("/spec/template/metadata/annotations");
    let served = pod.and_then(|notes| notes.get(names::ANNOTATION_TLS)?.as_str());
    let digest = Sha256::digest(leaf.as_bytes());
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(served, Some(expected.as_str()), "the Pod serves this leaf");
    all
}
