//! The verification matrix: certificates that go wrong in practice, who
//! refuses them, and what lint calls it.

use kreg_pki::lint::Client::{Go, OpenSsl, Rustls};
use kreg_pki::lint::{Client, Code};
use rcgen::{
    BasicConstraints, CidrSubnet, ExtendedKeyUsagePurpose as Eku, GeneralSubtree, IsCa, KeyPair,
    KeyUsagePurpose as Usage, NameConstraints, SanType,
};
use time::Duration;

use super::case::{
    ANY_POLICY, Case, HOST, Made, ca_params, dns, extension, leaf_params, root, self_signed,
    subject,
};
use super::now;

const ALL: &[Client] = &Client::ALL;

pub(crate) fn all() -> Vec<Case> {
    [alone(), names(), leaves(), roots(), links(), files()]
        .into_iter()
        .flatten()
        .collect()
}

/// Certificates that vouch for themselves.
fn alone() -> Vec<Case> {
    let case = |name, made: Made| Case::new(name, made.pem(), made.pem());
    let ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let untrusted = self_signed(|_| {});
    vec![
        case("self-signed, CA:FALSE", self_signed(|_| {})).found(&[Code::SelfSignedLeaf]),
        case(
            "self-signed, no basic constraints",
            self_signed(|p| p.is_ca = IsCa::NoCa),
        )
        .found(&[Code::SelfSignedLeaf]),
        case(
            "self-signed, CA:TRUE, no usages, as openssl req -x509 makes it",
            self_signed(|p| {
                p.is_ca = ca;
                p.key_usages.clear();
                p.extended_key_usages.clear();
            }),
        )
        .refused(&[Rustls])
        .found(&[Code::SelfSignedLeaf, Code::CaAsLeaf, Code::EkuAbsent]),
        case(
            "self-signed, CA:TRUE, keyCertSign only",
            self_signed(|p| {
                p.is_ca = ca;
                p.key_usages = vec![Usage::KeyCertSign];
                p.extended_key_usages.clear();
            }),
        )
        .refused(&[OpenSsl, Rustls])
        .found(&[
            Code::SelfSignedLeaf,
            Code::CaAsLeaf,
            Code::LeafKeyUsage,
            Code::EkuAbsent,
        ]),
        Case::new(
            "self-signed, not trusted",
            untrusted.pem(),
            root(|_| {}).pem(),
        )
        .refused(ALL)
        .found(&[Code::Untrusted]),
    ]
}

/// What the certificate lists and what is dialled.
fn names() -> Vec<Case> {
    let ca = root(|_| {});
    let case = |name, sans: Vec<SanType>| {
        let leaf = ca.issue(leaf_params(|p| p.subject_alt_names = sans));
        Case::new(name, leaf.pem(), ca.pem())
    };
    let ip = |text: &str| SanType::IpAddress(text.parse().unwrap());
    vec![
        case("CN only", vec![])
            .refused(&[Go, Rustls])
            .found(&[Code::NoSan]),
        case("CN only, another name dialled", vec![])
            .at("registry.example")
            .refused(ALL)
            .found(&[Code::NoSan]),
        case("CN only, IP dialled", vec![])
            .at("10.96.0.50")
            .refused(ALL)
            .found(&[Code::NoSan]),
        case("CN and an IP SAN, name dialled", vec![ip("10.96.0.50")])
            .refused(&[Go, Rustls])
            .found(&[Code::NameNotCovered]),
        case("IP dialled, DNS SAN only", vec![dns(HOST)])
            .at("10.96.0.50")
            .refused(ALL)
            .found(&[Code::NameNotCovered]),
        case(
            "IP written as a DNS SAN",
            vec![dns(HOST), dns("10.96.0.50")],
        )
        .at("10.96.0.50")
        .refused(ALL)
        .found(&[Code::IpAsDns]),
        case(
            "IP written as a DNS SAN, name dialled",
            vec![dns(HOST), dns("10.96.0.50")],
        )
        .found(&[Code::IpAsDns]),
        case("IP SAN", vec![ip("10.96.0.50")]).at("10.96.0.50"),
        case("IPv6 SAN", vec![ip("fd00::50")]).at("fd00::50"),
        case(
            "IPv4 address written as IPv6",
            vec![dns(HOST), ip("::ffff:10.96.0.50")],
        )
        .at("10.96.0.50")
        .refused(&[OpenSsl, Rustls])
        .found(&[Code::NameNotCovered]),
        case("another IP SAN", vec![ip("10.96.0.51")])
            .at("10.96.0.50")
            .refused(ALL)
            .found(&[Code::NameNotCovered]),
        case("another DNS SAN", vec![dns("registry.example")])
            .refused(ALL)
            .found(&[Code::NameNotCovered]),
        case("DNS SAN in capitals", vec![dns("Docker-Registry.DEFAULT")]),
        case("wildcard", vec![dns("*.registry.example")]).at("a.registry.example"),
        case(
            "wildcard, two labels under it",
            vec![dns("*.registry.example")],
        )
        .at("a.b.registry.example")
        .refused(ALL)
        .found(&[Code::NameNotCovered]),
        case("wildcard before a single label", vec![dns("*.default")])
            .refused(&[OpenSsl, Rustls])
            .found(&[Code::NameNotCovered, Code::OddName]),
        case(
            "underscore beside a good name",
            vec![dns(HOST), dns("docker_registry")],
        )
        .found(&[Code::OddName]),
    ]
}

/// Bits and dates of the server's certificate.
fn leaves() -> Vec<Case> {
    let ca = root(|_| {});
    let case = |name, change: &dyn Fn(&mut rcgen::CertificateParams)| {
        Case::new(name, ca.issue(leaf_params(change)).pem(), ca.pem())
    };
    let ca_bits = IsCa::Ca(BasicConstraints::Unconstrained);
    vec![
        case("CA and leaf", &|_| {}),
        case("leaf with CA:TRUE under a CA", &|p| p.is_ca = ca_bits)
            .refused(&[Rustls])
            .found(&[Code::CaAsLeaf]),
        case("leaf with keyCertSign only", &|p| {
            p.key_usages = vec![Usage::KeyCertSign]
        })
        .refused(&[OpenSsl])
        .found(&[Code::LeafKeyUsage]),
        case("leaf with keyEncipherment only", &|p| {
            p.key_usages = vec![Usage::KeyEncipherment]
        }),
        case("leaf without key usage", &|p| p.key_usages.clear()),
        case("EKU clientAuth only", &|p| {
            p.extended_key_usages = vec![Eku::ClientAuth]
        })
        .refused(ALL)
        .found(&[Code::EkuWrong]),
        case("EKU any only", &|p| p.extended_key_usages = vec![Eku::Any])
            .refused(&[OpenSsl, Rustls])
            .found(&[Code::EkuWrong]),
        case("EKU absent", &|p| p.extended_key_usages.clear()).found(&[Code::EkuAbsent]),
        case("leaf expired", &|p| p.not_after = now() - Duration::HOUR)
            .refused(ALL)
            .found(&[Code::Expired]),
        case("leaf not yet valid", &|p| {
            p.not_before = now() + Duration::HOUR
        })
        .refused(ALL)
        .found(&[Code::NotYetValid]),
        case("leaf in its last second", &|p| p.not_after = now())
            .refused(&[OpenSsl])
            .found(&[Code::Expired]),
        case("leaf in its first second", &|p| p.not_before = now()),
        case("unknown critical extension", &|p| {
            p.custom_extensions
                .push(extension(&[1, 3, 6, 1, 4, 1, 55_555, 1], &[5, 0], true));
        })
        .refused(ALL)
        .found(&[Code::CriticalExtension]),
        case("unknown extension", &|p| {
            p.custom_extensions
                .push(extension(&[1, 3, 6, 1, 4, 1, 55_555, 1], &[5, 0], false));
        }),
        case("critical certificate policies", &|p| {
            p.custom_extensions
                .push(extension(&[2, 5, 29, 32], ANY_POLICY, true));
        })
        .refused(&[Rustls])
        .found(&[Code::CriticalExtension]),
        case("authority key identifier of another CA", &|p| {
            p.use_authority_key_identifier_extension = false;
            p.custom_extensions
                .push(extension(&[2, 5, 29, 35], &[0x30, 4, 0x80, 2, 1, 2], false));
        })
        .refused(&[OpenSsl])
        .found(&[Code::IssuerMismatch]),
        case("leaf valid for ten years", &|p| {
            p.not_after = now() + Duration::days(3650)
        })
        .found(&[Code::LongLived]),
        case("CA and leaf with the same subject, no AKI", &|p| {
            p.distinguished_name = subject("Test Root");
            p.use_authority_key_identifier_extension = false;
        })
        .refused(&[OpenSsl])
        .found(&[Code::SameSubject]),
        case("CA and leaf with the same subject, AKI and SKI", &|p| {
            p.distinguished_name = subject("Test Root");
        })
        .found(&[Code::SameSubject]),
    ]
}

/// Bits and dates of what clients trust.
fn roots() -> Vec<Case> {
    let case = |name, change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let ca = root(change);
        Case::new(name, ca.issue(leaf_params(|_| {})).pem(), ca.pem())
    };
    let (old, new, dead) = (
        root(|_| {}),
        root(|_| {}),
        root(|p| {
            p.distinguished_name = subject("Dead Root");
            p.not_after = now() - Duration::DAY;
        }),
    );
    let expired_twin = new.renewed(ca_params("Test Root", |p| {
        p.not_after = now() - Duration::DAY
    }));
    let leaf = |ca: &Made| ca.issue(leaf_params(|_| {})).pem().to_owned();
    let both = format!("{}{}", old.pem(), new.pem());
    let rare = Made::self_signed(
        ca_params("Rare Root", |_| {}),
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap(),
    );
    let name = |name: &str| GeneralSubtree::DnsName(name.into());
    let net = |net| GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(net, 16));
    let limits = |permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>| NameConstraints {
        permitted_subtrees: permitted,
        excluded_subtrees: excluded,
    };
    let limited = |name, sans: Vec<SanType>, limits: NameConstraints| {
        let ca = root(|p| p.name_constraints = Some(limits));
        let leaf = ca.issue(leaf_params(|p| p.subject_alt_names = sans));
        Case::new(name, leaf.pem(), ca.pem())
    };
    let ip = || SanType::IpAddress([10, 96, 0, 50].into());
    vec![
        case("root without basic constraints", &|p| {
            p.is_ca = IsCa::NoCa;
            p.key_usages.clear();
        })
        .refused(&[Go, OpenSsl])
        .found(&[Code::IssuerNotCa]),
        case("root without basic constraints, with keyCertSign", &|p| {
            p.is_ca = IsCa::NoCa
        })
        .refused(&[Go])
        .found(&[Code::IssuerNotCa]),
        case("root with CA:FALSE", &|p| p.is_ca = IsCa::ExplicitNoCa)
            .refused(&[Go, OpenSsl])
            .found(&[Code::IssuerNotCa]),
        case("root whose key usage lacks keyCertSign", &|p| {
            p.key_usages = vec![Usage::CrlSign]
        })
        .refused(&[Go, OpenSsl])
        .found(&[Code::IssuerKeyUsage]),
        case("root without key usage", &|p| p.key_usages.clear()),
        case("root expired", &|p| p.not_after = now() - Duration::HOUR)
            .refused(&[Go, OpenSsl])
            .found(&[Code::Expired]),
        case("root not yet valid", &|p| {
            p.not_before = now() + Duration::HOUR
        })
        .refused(&[Go, OpenSsl])
        .found(&[Code::NotYetValid]),
        case("root limited to clientAuth", &|p| {
            p.extended_key_usages = vec![Eku::ClientAuth]
        })
        .refused(&[Go, OpenSsl])
        .found(&[Code::EkuWrong]),
        limited(
            "root with name constraints that fit",
            vec![dns(HOST), ip()],
            limits(vec![name("default"), net([10, 96, 0, 0])], vec![]),
        ),
        limited(
            "root that may issue for other names only",
            vec![dns(HOST)],
            limits(vec![name("registry.default"), name("other")], vec![]),
        )
        .refused(ALL)
        .found(&[Code::NameForbidden]),
        limited(
            "root that may not issue for this name",
            vec![dns(HOST)],
            limits(vec![], vec![name(HOST)]),
        )
        .refused(ALL)
        .found(&[Code::NameForbidden]),
        limited(
            "root that may issue for other addresses only",
            vec![dns(HOST), ip()],
            limits(vec![net([10, 97, 0, 0])], vec![]),
        )
        .refused(ALL)
        .found(&[Code::NameForbidden]),
        limited(
            "root that limits addresses, and a leaf without one",
            vec![dns(HOST)],
            limits(vec![net([10, 97, 0, 0])], vec![]),
        ),
        limited(
            "root that may not issue for the common name, which is no SAN",
            vec![ip()],
            limits(vec![], vec![name(HOST)]),
        )
        .at("10.96.0.50")
        .refused(&[OpenSsl])
        .found(&[Code::NameForbidden]),
        limited(
            "root that limits e-mail addresses",
            vec![dns(HOST)],
            limits(
                vec![],
                vec![GeneralSubtree::Rfc822Name("example.com".into())],
            ),
        )
        .found(&[Code::NameConstraints]),
        case("root with an unknown critical extension", &|p| {
            p.custom_extensions
                .push(extension(&[1, 3, 6, 1, 4, 1, 55_555, 1], &[5, 0], true));
        })
        .refused(&[Go, OpenSsl])
        .found(&[Code::CriticalExtension]),
        Case::new(
            "old and new root of one subject, leaf from the old",
            leaf(&old),
            &both,
        ),
        Case::new(
            "old and new root of one subject, leaf from the new",
            leaf(&new),
            &both,
        ),
        Case::new("unknown authority", leaf(&old), new.pem())
            .refused(ALL)
            .found(&[Code::Untrusted]),
        Case::new(
            "an unrelated expired root beside the good one",
            leaf(&new),
            format!("{}{}", dead.pem(), new.pem()),
        )
        .found(&[Code::Expired]),
        Case::new(
            "an expired twin with the same key beside the good root",
            leaf(&new),
            format!("{}{}", expired_twin.pem(), new.pem()),
        )
        .found(&[Code::Expired]),
        Case::new(
            "old and new root of one subject, leaf without key identifier",
            new.issue(leaf_params(|p| {
                p.use_authority_key_identifier_extension = false;
            }))
            .pem(),
            format!("{}{}", new.pem(), old.pem()),
        )
        .found(&[Code::IssuerAmbiguous]),
        Case::new("root with a P-521 key", leaf(&rare), rare.pem()).found(&[Code::UnevenKey]),
    ]
}

/// Intermediates.
fn links() -> Vec<Case> {
    let top = root(|_| {});
    let tight = root(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let under = |ca: &Made, change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let link = ca.issue(ca_params("Test Link", change));
        let leaf = link.issue(leaf_params(|_| {}));
        (leaf, link)
    };
    let sent = |(leaf, link): &(Made, Made)| format!("{}{}", leaf.pem(), link.pem());
    let case = |name, change: &dyn Fn(&mut rcgen::CertificateParams)| {
        Case::new(name, sent(&under(&top, change)), top.pem())
    };
    let good = under(&top, &|_| {});
    let direct = top.issue(leaf_params(|_| {}));
    vec![
        case("intermediate sent along", &|_| {}),
        Case::new(
            "an unrelated expired intermediate sent along",
            format!(
                "{}{}",
                sent(&good),
                under(&top, &|p| p.not_after = now() - Duration::HOUR)
                    .1
                    .pem()
            ),
            top.pem(),
        )
        .found(&[Code::Expired]),
        Case::new("intermediate not sent", good.0.pem(), top.pem())
            .refused(ALL)
            .found(&[Code::Untrusted]),
        Case::new(
            "intermediate trusted, root missing",
            good.0.pem(),
            good.1.pem(),
        )
        .refused(&[OpenSsl])
        .found(&[Code::AnchorNotRoot]),
        Case::new(
            "intermediate and root trusted",
            good.0.pem(),
            format!("{}{}", good.1.pem(), top.pem()),
        ),
        Case::new("leaf trusted without its CA", direct.pem(), direct.pem())
            .refused(&[OpenSsl, Rustls])
            .found(&[Code::LeafAsAnchor]),
        case("intermediate expired", &|p| {
            p.not_after = now() - Duration::HOUR
        })
        .refused(ALL)
        .found(&[Code::Expired]),
        case("intermediate without basic constraints", &|p| {
            p.is_ca = IsCa::NoCa
        })
        .refused(ALL)
        .found(&[Code::IssuerNotCa]),
        case("intermediate without CA:TRUE", &|p| {
            p.is_ca = IsCa::ExplicitNoCa
        })
        .refused(ALL)
        .found(&[Code::IssuerNotCa]),
        case("intermediate without keyCertSign", &|p| {
            p.key_usages = vec![Usage::CrlSign]
        })
        .refused(&[Go, OpenSsl])
        .found(&[Code::IssuerKeyUsage]),
        case("intermediate limited to clientAuth", &|p| {
            p.extended_key_usages = vec![Eku::ClientAuth];
        })
        .refused(ALL)
        .found(&[Code::EkuWrong]),
        Case::new(
            "intermediate under a pathlen:0 root",
            sent(&under(&tight, &|_| {})),
            tight.pem(),
        )
        .refused(&[Go, OpenSsl])
        .found(&[Code::PathTooLong]),
    ]
}

/// Keys and framing.
fn files() -> Vec<Case> {
    let top = root(|_| {});
    let link = top.issue(ca_params("Test Link", |_| {}));
    let leaf = link.issue(leaf_params(|_| {}));
    let sent = format!("{}{}", leaf.pem(), link.pem());
    vec![
        Case::new("key that fits", &sent, top.pem()).with_key(leaf.key_pem()),
        Case::new("key of another certificate", &sent, top.pem())
            .with_key(top.key_pem())
            .refused(ALL)
            .found(&[Code::KeyMismatch]),
        Case::new(
            "chain in the wrong order",
            format!("{}{}", link.pem(), leaf.pem()),
            top.pem(),
        )
        .with_key(leaf.key_pem())
        .refused(ALL)
        .found(&[
            Code::ChainOrder,
            Code::CaAsLeaf,
            Code::LeafKeyUsage,
            Code::NoSan,
            Code::EkuAbsent,
            Code::LongLived,
        ]),
        Case::new(
            "private key in the trust file",
            &sent,
            format!("{}{}", top.pem(), top.key_pem()),
        )
        .found(&[Code::PrivateKeyInBundle]),
        Case::new(
            "trust file with CRLF and text",
            &sent,
            format!("subject=Test Root\r\n{}", top.pem().replace('\n', "\r\n")),
        ),
        Case::new(
            "chain with the root at its end",
            format!("{sent}{}", top.pem()),
            top.pem(),
        ),
    ]
}
