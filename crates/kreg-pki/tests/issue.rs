//! Certificates that are made here, judged by rustls, and the way back in from
//! PEM.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use common::{now, rustls_client, san};
use kreg_pki::{
    Authority, AuthorityRequest, Certificate, Error, External, Issuer, KeyAlgorithm, Leaf,
    LeafRequest, PrivateKey, SelfSigned,
};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use time::Duration;

const NAMES: [&str; 4] = [
    "docker-registry",
    "docker-registry.kreg-system.svc.cluster.local",
    "10.96.0.50",
    "fd00::50",
];

fn authority(algorithm: KeyAlgorithm) -> Authority {
    let request = AuthorityRequest::new("docker-registry").algorithm(algorithm);
    Authority::generate(&request.issued_at(now())).unwrap()
}

fn request() -> LeafRequest {
    LeafRequest::new("docker-registry")
        .sans(NAMES.map(san))
        .issued_at(now())
}

#[test]
fn every_key_kind_is_accepted_for_every_name() {
    for algorithm in KeyAlgorithm::ALL {
        let ca = authority(algorithm);
        let leaf = ca.issue(&request().algorithm(algorithm)).unwrap();
        assert_eq!(leaf.certificate().key().to_string(), algorithm.to_string());
        for name in NAMES {
            rustls_client::verify(&leaf.chain_pem(), &ca.bundle().to_pem(), name, now()).unwrap();
            assert!(leaf.covers(&san(name)));
        }
        let stranger = authority(KeyAlgorithm::EcdsaP256).bundle().to_pem();
        assert!(rustls_client::verify(&leaf.chain_pem(), &stranger, NAMES[0], now()).is_err());
    }
}

#[test]
fn the_self_signed_form_is_its_own_anchor() {
    let request = SelfSigned::request("docker-registry")
        .unwrap()
        .issued_at(now());
    let leaf = SelfSigned.issue(&request).unwrap();
    let own = leaf.certificate();
    assert_eq!(own.subject(), "CN=docker-registry");
    assert_eq!(own.key().to_string(), "rsa-4096");
    assert_eq!(own.not_after(), now() + Duration::days(365));
    assert!(!own.is_ca() && own.is_self_issued());
    let trust = SelfSigned.trust(&leaf).to_pem();
    rustls_client::verify(&leaf.chain_pem(), &trust, "docker-registry", now()).unwrap();
}

#[test]
fn serials_are_long_positive_and_never_repeat() {
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let serial = ca
            .issue(&request())
            .unwrap()
            .certificate()
            .serial()
            .to_owned();
        assert_eq!(serial.len(), 32);
        assert!(serial.as_bytes()[0] < b'8', "negative: {serial}");
        assert!(seen.insert(serial));
    }
}

#[test]
fn no_leaf_outlives_its_authority() {
    let short = AuthorityRequest::new("r")
        .validity_days(10)
        .issued_at(now());
    let ca = Authority::generate(&short).unwrap();
    let leaf = ca.issue(&request().validity_days(90)).unwrap();
    assert_eq!(leaf.certificate().not_after(), ca.certificate().not_after());
    let late = request().issued_at(now() + Duration::days(11));
    assert!(matches!(
        ca.issue(&late),
        Err(Error::AuthorityExpired { .. })
    ));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let nameless = LeafRequest::new("docker-registry");
    let bad_name = request().sans([kreg_pki::San::Dns("10.0.0.1".into())]);
    let long = LeafRequest::new("x".repeat(65)).sans([san("a")]);
    let broken = LeafRequest::new("a\nb").sans([san("a")]);
    for request in [nameless, bad_name, long, broken, request().validity_days(0)] {
        assert!(ca.issue(&request).is_err(), "{request:?}");
    }
    assert!(Authority::generate(&AuthorityRequest::new("")).is_err());
    assert!(Authority::generate(&AuthorityRequest::new("r\0")).is_err());
    assert!(Authority::generate(&AuthorityRequest::new("r").validity_days(u32::MAX)).is_err());
}

#[test]
fn an_authority_comes_back_from_pem() {
    for algorithm in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Rsa2048,
    ] {
        let made = authority(algorithm);
        let loaded =
            Authority::from_pem(made.certificate_pem(), made.key_pem().expose_secret()).unwrap();
        assert_eq!(loaded.certificate(), made.certificate());
        let leaf = loaded.issue(&request()).unwrap();
        rustls_client::verify(&leaf.chain_pem(), &made.bundle().to_pem(), NAMES[0], now()).unwrap();
    }
}

#[test]
fn an_authority_needs_a_ca_certificate_and_its_own_key() {
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let leaf = ca.issue(&request()).unwrap();
    let as_ca = Authority::from_pem(leaf.chain_pem(), leaf.key_pem().expose_secret());
    assert!(matches!(as_ca, Err(Error::NotAnAuthority { .. })));
    let wrong_key = Authority::from_pem(ca.certificate_pem(), leaf.key_pem().expose_secret());
    assert!(matches!(wrong_key, Err(Error::KeyMismatch { .. })));
}

/// CAs from outside whose leaves some client would refuse.
#[test]
fn an_authority_that_signs_in_vain_is_refused_at_once() {
    let load = |made: &common::case::Made| Authority::from_pem(made.pem(), made.key_pem());
    let eku = rcgen::ExtendedKeyUsagePurpose::ClientAuth;
    let limited = common::case::root(|p| p.extended_key_usages = vec![eku]);
    let error = load(&limited).unwrap_err().to_string();
    assert!(error.contains("eku-wrong"), "{error}");
    let critical = common::case::extension(&[1, 3, 6, 1, 4, 1, 55_555, 1], &[5, 0], true);
    let odd = common::case::root(|p| p.custom_extensions.push(critical));
    let error = load(&odd).unwrap_err().to_string();
    assert!(error.contains("critical-extension"), "{error}");

    // One that may sign, but not everything.
    let below = rcgen::GeneralSubtree::DnsName("example".into());
    let few = common::case::root(|p| {
        p.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![below],
            excluded_subtrees: vec![],
        });
    });
    let few = load(&few).unwrap();
    let asked = |name| LeafRequest::new("r").sans([san(name)]).issued_at(now());
    few.issue(&asked("registry.example")).unwrap();
    let error = few
        .issue(&asked("docker-registry"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("may not issue for docker-registry"),
        "{error}"
    );
}

#[test]
fn nothing_is_signed_before_the_authority_begins() {
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let early = request().issued_at(now() - Duration::DAY);
    let error = ca.issue(&early).unwrap_err().to_string();
    assert!(error.contains("becomes valid at"), "{error}");
    // The hour before it was made is forgiven.
    let skewed = request().issued_at(now() - Duration::minutes(59));
    ca.issue(&skewed).unwrap();
}

#[test]
fn no_leaf_outlives_the_root_above_an_intermediate() {
    let top = common::case::root(|p| p.not_after = now() + Duration::days(20));
    let link = top.issue(common::case::ca_params("Test Link", |_| {}));
    let chain = format!("{}{}", top.pem(), link.pem());
    let ca = Authority::from_pem(&chain, link.key_pem()).unwrap();
    let leaf = ca.issue(&request()).unwrap();
    assert_eq!(leaf.certificate().not_after(), now() + Duration::days(20));
}

#[test]
fn an_outside_certificate_is_handed_out_only_if_it_fits() {
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let made = ca.issue(&request()).unwrap();
    // Root first, leaf last: the order of a careless `cat`.
    let files = format!("{}{}", ca.certificate_pem(), made.chain_pem());
    let key = made.key_pem().expose_secret();
    let external = External::from_pem(&files, key, None).unwrap();
    let leaf = external.issue(&request()).unwrap();
    assert_eq!(leaf.chain(), made.chain());
    assert_eq!(external.trust(&leaf), ca.bundle());

    let more = request().sans([san("registry.example")]);
    let error = external.issue(&more).unwrap_err().to_string();
    assert!(error.contains("registry.example"), "{error}");
    assert!(
        external
            .issue(&request().issued_at(now() + Duration::days(398)))
            .is_err()
    );
    assert!(External::from_pem(made.chain_pem(), key, None).is_err());
    assert!(External::from_pem(made.chain_pem(), ca.key_pem().expose_secret(), None).is_err());
}

#[test]
fn renewal_is_due_in_the_last_third_and_outside_the_validity() {
    let leaf = authority(KeyAlgorithm::EcdsaP256)
        .issue(&request())
        .unwrap();
    let threshold = leaf.certificate().renewal_threshold();
    for (day, due) in [
        (-1, true),
        (0, false),
        (264, false),
        (265, true),
        (398, true),
    ] {
        let at = now() + Duration::days(day);
        assert_eq!(leaf.needs_renewal(at, threshold), due, "day {day}");
    }
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let leaf = ca.issue(&request()).unwrap();
    let shown = format!("{ca:?} {leaf:?} {:?}", leaf.key());
    let body: String = leaf
        .key_pem()
        .expose_secret()
        .lines()
        .skip(1)
        .take(1)
        .collect();
    assert!(!shown.contains(&body) && shown.contains("[secret]"));
}

#[test]
fn a_leaf_comes_back_from_its_secret() {
    let made = authority(KeyAlgorithm::Rsa2048).issue(&request()).unwrap();
    let loaded = Leaf::from_pem(made.chain_pem(), made.key_pem().expose_secret()).unwrap();
    assert_eq!(loaded.chain(), made.chain());
    assert_eq!(
        loaded.key_pem().expose_secret(),
        made.key_pem().expose_secret()
    );
}

#[test]
fn certificates_serialise_for_json_output() {
    let leaf = authority(KeyAlgorithm::EcdsaP256)
        .issue(&request())
        .unwrap();
    let json = serde_json::to_value(leaf.certificate()).unwrap();
    assert_eq!(json["sans"][2], "10.96.0.50");
    assert_eq!(json["not_before"], "2026-11-23T11:00:00Z");
    assert_eq!(json["key"], "ecdsa-p256");
    assert_eq!(json["is_ca"], false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Our own notion of coverage and that of rustls never differ.
    #[test]
    fn a_leaf_serves_its_names_and_no_other(
        own in prop::collection::vec(name(), 1..5),
        other in prop::collection::vec(name(), 1..5),
    ) {
        let ca = authority(KeyAlgorithm::EcdsaP256);
        let asked = LeafRequest::new("registry").issued_at(now()).sans(own.iter().map(|n| san(n)));
        let leaf = ca.issue(&asked).unwrap();
        let (chain, trust) = (leaf.chain_pem(), ca.bundle().to_pem());
        for name in own.iter().chain(&other).filter(|name| !name.contains('*')) {
            let accepted = rustls_client::verify(&chain, &trust, name, now()).is_ok();
            prop_assert_eq!(leaf.covers(&san(name)), accepted, "{}", name);
            prop_assert!(accepted || !own.contains(name), "{} is its own", name);
        }
    }

    #[test]
    fn readers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = [b"-----BEGIN CERTIFICATE-----\n", bytes.as_slice(), b"\n-----END CERTIFICATE-----\n"].concat();
        for input in [&bytes, &text] {
            let _ = Certificate::all_from_pem(input, "it");
            let _ = PrivateKey::from_pem(input, "it");
            let _ = kreg_pki::TrustBundle::from_pem(input, "it");
            let _ = Certificate::from_der(input);
        }
    }
}

/// A small world of names, so that own and other often meet.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "(\\*\\.)?[ab]\\.registry\\.example",
        "[ab]\\.[ab]\\.registry\\.example",
        "registry(\\.example)?",
        "10\\.0\\.0\\.[1-4]",
        "fd00::[1-4]",
    ]
}
