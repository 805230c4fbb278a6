//! Trust bundles as they are found in the wild.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use kreg_pki::{Authority, AuthorityRequest, Certificate, Error, TrustBundle};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

fn authority() -> Authority {
    Authority::generate(&AuthorityRequest::new("r")).unwrap()
}

#[test]
fn reads_a_bundle_that_went_through_many_hands() {
    let (one, two) = (authority(), authority());
    let text = format!(
        "\u{feff}# company CAs\r\n{}subject=CN = two\n{}\u{feff}{}",
        one.certificate_pem().replace('\n', "\r\n"),
        two.certificate_pem().trim_end(),
        one.certificate_pem().trim_end(),
    );
    let bundle = TrustBundle::from_pem(&text, "ca.crt").unwrap();
    assert_eq!(bundle, one.bundle().union(&two.bundle()));
    assert!(bundle.to_pem().ends_with("-----END CERTIFICATE-----\n"));
    assert!(!bundle.to_pem().contains('\r'));
    assert_eq!(
        TrustBundle::from_pem(bundle.to_pem(), "ca.crt").unwrap(),
        bundle
    );
}

#[test]
fn other_blocks_are_passed_over_and_keys_are_refused() {
    let ca = authority();
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let text = format!("{parameters}{}", ca.certificate_pem());
    assert_eq!(TrustBundle::from_pem(text, "ca.crt").unwrap(), ca.bundle());

    let leaky = format!("{}{}", ca.certificate_pem(), ca.key_pem().expose_secret());
    let error = TrustBundle::from_pem(leaky, "ca.crt").unwrap_err();
    assert!(matches!(error, Error::PrivateKeyInBundle { .. }));
}

#[test]
fn an_empty_or_damaged_bundle_is_refused_with_its_name() {
    let good = authority().certificate_pem();
    let not_x509 = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for text in [
        "",
        "hello",
        &good[..good.len() - 9],
        not_x509,
        &format!("{good}{not_x509}"),
    ] {
        let error = TrustBundle::from_pem(text, "ca.crt of node7")
            .unwrap_err()
            .to_string();
        assert!(error.contains("ca.crt of node7"), "{error}");
    }
}

#[test]
fn digests_are_those_of_the_file_and_of_the_certificates() {
    let bundle = authority().bundle().union(&authority().bundle());
    assert_eq!(
        bundle.digest(),
        hex::encode(Sha256::digest(bundle.to_pem()))
    );
    let each: Vec<_> = bundle
        .certificates()
        .iter()
        .map(|certificate| hex::encode(Sha256::digest(certificate.der())))
        .collect();
    assert_eq!(bundle.fingerprints(), each);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sets_behave_like_sets(
        left in prop::collection::vec(0..4_usize, 0..6),
        right in prop::collection::vec(0..4_usize, 0..6),
    ) {
        let pool = POOL.with(Clone::clone);
        let bundle = |picks: &[usize]| TrustBundle::new(picks.iter().map(|i| pool[*i].clone()));
        let (a, b) = (bundle(&left), bundle(&right));
        let both = a.union(&b);
        prop_assert!(pool.iter().all(|c| both.contains(c) == (a.contains(c) || b.contains(c))));
        prop_assert!(a.difference(&b).certificates().iter().all(|c| a.contains(c) && !b.contains(c)));
        prop_assert_eq!(both.len(), a.difference(&b).len() + b.len());
        if !both.is_empty() {
            prop_assert_eq!(TrustBundle::from_pem(both.to_pem(), "it").unwrap(), both);
        }
    }
}

thread_local! {
    static POOL: Vec<Certificate> = (0..4).map(|_| authority().certificate().clone()).collect();
}
