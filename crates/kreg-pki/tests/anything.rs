//! Certificates that nobody planned, put before the three judges: where the table of
//! `matrix.rs` holds the traps that people fall into, this holds what they combine to.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use common::case::{ANY_POLICY, Case, HOST, Made, ca_params, dns, extension, leaf_params, subject};
use common::{go_client, now, openssl_client, rustls_client};
use kreg_pki::lint::{Client, Code, refused_by};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, ExtendedKeyUsagePurpose as Eku,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose as Usage, NameConstraints, SanType,
    SignatureAlgorithm,
};
use time::Duration;

const CASES: usize = 400;

/// What is unusual about one certificate; `0` everywhere is a good one.
#[derive(Clone, Debug)]
struct Oddity {
    basic: u8,
    usage: u8,
    extended: u8,
    dates: u8,
    name: u8,
    key: u8,
    extension: u8,
    limits: u8,
}

#[derive(Clone, Debug)]
struct World {
    root: Oddity,
    link: Option<Oddity>,
    leaf: Oddity,
    sans: u8,
    sent: u8,
    trusted: u8,
    endpoint: &'static str,
}

fn oddity() -> impl Strategy<Value = Oddity> {
    // Mostly good, or nothing would ever be accepted.
    let odd = |most: u8| prop_oneof![9 => Just(0), 1 => 1..=most];
    (
        odd(3),
        odd(4),
        odd(4),
        odd(4),
        odd(2),
        odd(3),
        odd(4),
        odd(5),
    )
        .prop_map(
            |(basic, usage, extended, dates, name, key, extension, limits)| Oddity {
                basic,
                usage,
                extended,
                dates,
                name,
                key,
                extension,
                limits,
            },
        )
}

fn world() -> impl Strategy<Value = World> {
    let link = prop_oneof![2 => Just(None), 1 => oddity().prop_map(Some)];
    let few = |most: u8| prop_oneof![3 => Just(0), 1 => 1..=most];
    let endpoint = select(vec![
        HOST,
        HOST,
        HOST,
        HOST,
        "10.96.0.50",
        "a.registry.example",
    ]);
    (oddity(), link, oddity(), few(6), few(2), few(4), endpoint).prop_map(
        |(root, link, leaf, sans, sent, trusted, endpoint)| World {
            root,
            link,
            leaf,
            sans,
            sent,
            trusted,
            endpoint,
        },
    )
}

impl Oddity {
    fn apply(&self, is_leaf: bool, params: &mut CertificateParams) {
        match (self.basic, is_leaf) {
            (0, _) => {}
            (1, _) => params.is_ca = IsCa::NoCa,
            (2, true) => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            (2, false) => params.is_ca = IsCa::ExplicitNoCa,
            _ => params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        }
        match self.usage {
            0 => {}
            1 => params.key_usages.clear(),
            2 => params.key_usages = vec![Usage::CrlSign],
            3 => params.key_usages = vec![Usage::KeyCertSign],
            _ => params.key_usages = vec![Usage::KeyEncipherment, Usage::KeyCertSign],
        }
        match self.extended {
            0 => {}
            1 => params.extended_key_usages.clear(),
            2 => params.extended_key_usages = vec![Eku::ClientAuth],
            3 => params.extended_key_usages = vec![Eku::Any],
            _ => params.extended_key_usages = vec![Eku::ServerAuth, Eku::ClientAuth],
        }
        match self.dates {
            0 => {}
            1 => params.not_after = now() - Duration::HOUR,
            2 => params.not_before = now() + Duration::HOUR,
            3 => params.not_after = now(),
            _ => params.not_before = now(),
        }
        match self.name {
            0 => {}
            1 => params.use_authority_key_identifier_extension = false,
            _ => params.distinguished_name = subject("Test Root"),
        }
        match self.extension {
            0 => {}
            // An unknown one, harmless and critical.
            1 => params.custom_extensions.push(extension(
                &[1, 3, 6, 1, 4, 1, 55555, 1],
                &[5, 0],
                false,
            )),
            2 => params.custom_extensions.push(extension(
                &[1, 3, 6, 1, 4, 1, 55555, 1],
                &[5, 0],
                true,
            )),
            // An authority key identifier of somebody else.
            4 if is_leaf => {
                params.use_authority_key_identifier_extension = false;
                params.custom_extensions.push(extension(
                    &[2, 5, 29, 35],
                    &[0x30, 4, 0x80, 2, 1, 2],
                    false,
                ));
            }
            // Certificate policies, critical: anyPolicy.
            _ => params
                .custom_extensions
                .push(extension(&[2, 5, 29, 32], ANY_POLICY, true)),
        }
        if !is_leaf {
            let host = || GeneralSubtree::DnsName("default".into());
            let other = || GeneralSubtree::DnsName("other.example".into());
            let v4 = |net| GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(net, 16));
            let (permitted, excluded) = match self.limits {
                0 => return,
                1 => (vec![host(), v4([10, 96, 0, 0])], vec![]),
                2 => (vec![other()], vec![]),
                3 => (vec![], vec![host()]),
                4 => (vec![v4([10, 97, 0, 0])], vec![]),
                _ => (vec![], vec![v4([10, 96, 0, 0])]),
            };
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted,
                excluded_subtrees: excluded,
            });
        }
    }

    fn key(&self) -> KeyPair {
        let kinds: [&SignatureAlgorithm; 4] = [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_ED25519,
        ];
        KeyPair::generate_for(kinds[usize::from(self.key)]).unwrap()
    }
}

impl World {
    fn case(&self) -> Case {
        let root = Made::self_signed(
            ca_params("Test Root", |p| {
                self.root.apply(false, p);
            }),
            self.root.key(),
        );
        let link = self
            .link
            .as_ref()
            .map(|odd| root.issue_to(ca_params("Test Link", |p| odd.apply(false, p)), odd.key()));
        let issuer = link.as_ref().unwrap_or(&root);
        let ip = |text: &str| SanType::IpAddress(text.parse().unwrap());
        let leaf = issuer.issue_to(
            leaf_params(|p| {
                p.subject_alt_names = match self.sans {
                    0 => vec![dns(HOST), dns("a.registry.example"), ip("10.96.0.50")],
                    1 => vec![],
                    2 => vec![dns("*.registry.example")],
                    3 => vec![ip("10.96.0.50")],
                    4 => vec![ip("::ffff:10.96.0.50"), dns(HOST)],
                    5 => vec![dns("other.example"), dns("10.96.0.50")],
                    _ => vec![SanType::URI(
                        "https://docker-registry.default".try_into().unwrap(),
                    )],
                };
                self.leaf.apply(true, p);
            }),
            self.leaf.key(),
        );
        let pem = |made: Option<&Made>| made.map_or("", Made::pem).to_owned();
        let chain = match self.sent {
            0 => leaf.pem().to_owned() + &pem(link.as_ref()),
            1 => leaf.pem().to_owned(),
            _ => leaf.pem().to_owned() + &pem(link.as_ref()) + root.pem(),
        };
        let trust = match self.trusted {
            0 => root.pem().to_owned(),
            1 => root.pem().to_owned() + &pem(link.as_ref()),
            2 => root.pem().to_owned() + leaf.pem(),
            3 => link.as_ref().map_or(leaf.pem(), Made::pem).to_owned(),
            _ => leaf.pem().to_owned(),
        };
        Case::new("anything", chain, trust).at(self.endpoint)
    }
}

#[test]
#[ignore = "needs the openssl and go commands: run by cargo xtask test"]
fn lint_foretells_all_three_on_certificates_that_nobody_planned() {
    let scratch = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    let worlds: Vec<_> = (0..CASES)
        .map(|_| world().new_tree(&mut runner).unwrap().current())
        .collect();
    let cases: Vec<_> = worlds.iter().map(World::case).collect();
    let rustls = |case: &Case| {
        rustls_client::verify(&case.chain, &case.trust, case.endpoints[0], case.now).err()
    };
    let judges = [
        (
            Client::OpenSsl,
            openssl_client::verdicts(&cases, scratch.path()),
        ),
        (Client::Go, go_client::verdicts(&cases, scratch.path())),
        (Client::Rustls, cases.iter().map(rustls).collect()),
    ];
    let mut wrong = Vec::new();
    let mut accepted = [0; 3];
    for (index, (world, case)) in worlds.iter().zip(&cases).enumerate() {
        let findings = case.lint();
        let foretold = refused_by(&findings);
        for (number, (judge, verdicts)) in judges.iter().enumerate() {
            accepted[number] += usize::from(verdicts[index].is_none());
            // Said of OpenSSL alone, and only that it may.
            let unsure = *judge == Client::OpenSsl
                && findings.iter().any(|f| f.code == Code::IssuerAmbiguous);
            if foretold.contains(judge) != verdicts[index].is_some() && !unsure {
                let shown: Vec<_> = findings.iter().map(|f| format!("\n    {f}")).collect();
                wrong.push(format!(
                    "{judge} says {:?}\n  {world:?}{}",
                    verdicts[index],
                    shown.concat()
                ));
            }
        }
    }
    let all = wrong.len();
    wrong.truncate(40);
    assert!(wrong.is_empty(), "{all} of {CASES}\n{}", wrong.join("\n"));
    // Neither verdict is rare, or the agreement would say little.
    for count in accepted {
        assert!(
            (CASES / 10..CASES * 9 / 10).contains(&count),
            "{accepted:?}"
        );
    }
}
