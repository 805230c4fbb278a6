//! `decide`, case by case: what is kept, what is made, and what is refused.

use kreg_auth::{Cost, ExposeSecret as _, Htpasswd, RegistryHost};
use kreg_k8s::Profile;
use kreg_pki::{Authority, AuthorityRequest, External, Issuer as _, LeafRequest};
use time::{Duration, OffsetDateTime};

use super::*;
use crate::made::Reason;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 12:00 UTC);

fn host() -> RegistryHost {
    "docker-registry:5000".parse().expect("host")
}

fn request<'a>(host: &'a RegistryHost, profile: Profile) -> Request<'a> {
    Request {
        profile,
        instance: "docker-registry",
        host,
        sans: vec![
            "docker-registry".parse().expect("san"),
            "10.96.0.50".parse().expect("san"),
        ],
        leaf_days: None,
        ca_days: None,
        user: None,
        password: None,
        cost: Cost::MIN,
        ca_key: CaKey::InCluster,
        external: None,
        s3: None,
        now: NOW,
    }
}

fn held(decision: &Decision) -> Held {
    let material = &decision.material;
    Held {
        tls_chain_pem: Some(material.tls_chain_pem.clone()),
        tls_key_pem: Some(material.tls_key_pem.clone()),
        ca_bundle_pem: Some(material.ca_bundle_pem.clone()),
        ca_key_pem: material.ca_key_pem.clone(),
        htpasswd: Some(material.htpasswd.clone()),
        http_secret: Some(material.http_secret.clone()),
        docker_config_json: Some(material.docker_config_json.clone()),
        s3: material.s3.clone(),
    }
}

/// Everything in the Secrets, to compare two decisions byte for byte.
fn bytes(decision: &Decision) -> Vec<String> {
    let m = &decision.material;
    vec![
        m.tls_chain_pem.clone(),
        m.tls_key_pem.expose_secret().to_owned(),
        m.ca_bundle_pem.clone(),
        m.ca_key_pem
            .as_ref()
            .map(|key| key.expose_secret().to_owned())
            .unwrap_or_default(),
        m.htpasswd.expose_secret().to_owned(),
        m.http_secret.expose_secret().to_owned(),
        m.docker_config_json.expose_secret().to_owned(),
    ]
}

#[test]
fn the_second_run_keeps_every_byte() {
    let host = host();
    for profile in [Profile::Default, Profile::Tutorial] {
        let first = decide(request(&host, profile), &Held::default()).expect("first");
        assert!(!first.made.is_empty());
        let second = decide(request(&host, profile), &held(&first)).expect("second");
        assert_eq!(second.made, []);
        assert_eq!(bytes(&second), bytes(&first));
    }
}

#[test]
fn a_name_that_is_not_covered_gets_a_new_leaf_from_the_same_ca() {
    let host = host();
    let first = decide(request(&host, Profile::Default), &Held::default()).expect("first");
    let mut wider = request(&host, Profile::Default);
    wider
        .sans
        .push("registry.example.com".parse().expect("san"));
    let second = decide(wider, &held(&first)).expect("second");
    let made: Vec<String> = second.made.iter().map(ToString::to_string).collect();
    assert_eq!(
        made,
        ["a new certificate (the old one does not cover registry.example.com)"]
    );
    assert_eq!(second.material.ca_bundle_pem, first.material.ca_bundle_pem);
    assert_ne!(second.material.tls_chain_pem, first.material.tls_chain_pem);
}

#[test]
fn a_leaf_near_its_end_is_renewed_and_the_ca_is_not() {
    let host = host();
    let first = decide(request(&host, Profile::Default), &Held::default()).expect("first");
    for (days, renewed) in [(90, false), (264, false), (265, true), (400, true)] {
        let mut later = request(&host, Profile::Default);
        later.now = NOW + Duration::days(days);
        let second = decide(later, &held(&first)).expect("second");
        assert_eq!(!second.made.is_empty(), renewed, "after {days} days");
        assert_eq!(second.material.ca_bundle_pem, first.material.ca_bundle_pem);
    }
}

#[test]
fn a_key_outside_is_handed_out_once_and_never_stored() {
    let host = host();
    let mut outside = request(&host, Profile::Default);
    outside.ca_key = CaKey::Outside(None);
    let first = decide(outside, &Held::default()).expect("first");
    assert!(first.material.ca_key_pem.is_none());
    let key = first
        .new_ca_key
        .clone()
        .expect("a key for the operator's file");

    let mut again = request(&host, Profile::Default);
    again.ca_key = CaKey::Outside(Some(key));
    let second = decide(again, &held(&first)).expect("second");
    assert!(second.new_ca_key.is_none() && second.made.is_empty());

    // Without the key nothing can be signed, but what serves goes on serving.
    let mut without = request(&host, Profile::Default);
    without.ca_key = CaKey::Outside(None);
    assert!(
        decide(without, &held(&first))
            .expect("nothing to sign")
            .made
            .is_empty()
    );
    let mut wider = request(&host, Profile::Default);
    wider.ca_key = CaKey::Outside(None);
    wider.sans.push("more".parse().expect("san"));
    let error = decide(wider, &held(&first)).expect_err("no key to sign with");
    assert!(matches!(error, MaterialError::NoCaKey { .. }), "{error}");

    // Two were the first at once: one CA is kept, and the other's key fits nothing.
    let mut outside = request(&host, Profile::Default);
    outside.ca_key = CaKey::Outside(None);
    let lost = decide(outside, &Held::default()).expect("a CA of its own");
    let mut theirs = request(&host, Profile::Default);
    theirs.ca_key = CaKey::Outside(lost.new_ca_key);
    let error = decide(theirs, &held(&first)).expect_err("a key of another CA");
    assert!(
        matches!(
            error,
            MaterialError::Authority {
                key_is_outside: true,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_changed_password_changes_its_own_line_only() {
    let host = host();
    let mut first = request(&host, Profile::Default);
    first.password = Some("one".to_owned().into());
    let first = decide(first, &Held::default()).expect("first");
    let mut there = held(&first);
    let text = format!(
        "# people\n{}other:$2y$04$abcdefghijklmnopqrstuuMh9Y5Jzzzzzzzzzzzzzzzzzzzzzzzzz\n",
        first.material.htpasswd.expose_secret()
    );
    there.htpasswd = Some(text.into());

    let mut second = request(&host, Profile::Default);
    second.password = Some("two".to_owned().into());
    let second = decide(second, &there).expect("second");
    let users = second.material.htpasswd.expose_secret();
    assert!(users.starts_with("# people\nkreg:$2y$04$") && users.contains("\nother:"));
    let users = Htpasswd::parse(users);
    assert!(users.check("kreg", &"two".to_owned().into()).is_accepted());
    assert!(!users.check("kreg", &"one".to_owned().into()).is_accepted());
    assert_eq!(second.credentials.password().expose_secret(), "two");
}

#[test]
fn what_no_registry_takes_is_an_error_of_input() {
    let host = host();
    for (user, password) in [("a:b", "x"), ("kreg", ""), ("kreg", &*"x".repeat(73))] {
        let mut bad = request(&host, Profile::Default);
        bad.user = Some(user);
        bad.password = Some(password.to_owned().into());
        let error = decide(bad, &Held::default()).expect_err(user);
        assert!(error.is_input(), "{error}");
        assert!(!format!("{error:?}").contains("xxx"));
    }
}

/// A certificate of another CA for these names.
fn elsewhere(sans: &[&str]) -> External {
    let authority = Authority::generate(&AuthorityRequest::new("company").issued_at(NOW)).unwrap();
    let sans = sans.iter().map(|san| san.parse().unwrap());
    let wanted = LeafRequest::new("docker-registry")
        .sans(sans)
        .issued_at(NOW);
    let leaf = authority.issue(&wanted).unwrap();
    let (chain, key) = (leaf.chain_pem(), leaf.key_pem().expose_secret().to_owned());
    External::from_pem(chain, key, Some(authority.certificate_pem().as_bytes())).unwrap()
}

#[test]
fn a_certificate_of_elsewhere_serves_as_it_is_and_replaces_the_one_that_is_held() {
    let host = host();
    let names = ["docker-registry", "10.96.0.50"];
    let (one, other) = (elsewhere(&names), elsewhere(&names));
    let with = |external| Request {
        external: Some(external),
        ..request(&host, Profile::Default)
    };
    let first = decide(with(&one), &Held::default()).unwrap();
    assert_eq!(first.made[0], Made::External(Reason::None));
    assert!(first.material.ca_key_pem.is_none() && first.new_ca_key.is_none());
    let again = decide(with(&one), &held(&first)).unwrap();
    assert_eq!((again.made.len(), bytes(&again)), (0, bytes(&first)));
    // Nothing is said of it any more: it is kept for as long as it serves, and then somebody must say.
    let kept = decide(request(&host, Profile::Default), &held(&first)).unwrap();
    assert_eq!((kept.made.len(), bytes(&kept)), (0, bytes(&first)));
    let second = decide(with(&other), &held(&first)).unwrap();
    assert_eq!(second.made, [Made::External(Reason::Another)]);
    assert_ne!(second.material.ca_bundle_pem, first.material.ca_bundle_pem);

    let error = decide(with(&elsewhere(&names[..1])), &held(&first)).unwrap_err();
    assert!(error.is_input(), "{error}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("10.96.0.50"), "{why}");
}
