//! Rows of the matrix that a careful generator refuses to make: weak keys,
//! weak hashes, negative serials, version 1. Made by the openssl command.

use std::fs;
use std::path::Path;

use kreg_pki::lint::Client::{Go, OpenSsl, Rustls};
use kreg_pki::lint::{Client, Code};
use time::{Duration, OffsetDateTime};

use super::case::{Case, HOST};
use super::openssl_client::openssl;

pub(crate) fn all(scratch: &Path) -> Vec<Case> {
    let maker = Maker { scratch };
    let mut cases = vec![];
    cases.extend(maker.hashes());
    cases.extend(maker.keys());
    cases.extend(maker.oddities());
    // openssl can only make certificates that begin now.
    for case in &mut cases {
        case.now = OffsetDateTime::now_utc() + Duration::MINUTE;
    }
    cases
}

struct Maker<'a> {
    scratch: &'a Path,
}

/// Paths of a certificate and its key.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn pem(&self) -> String {
        fs::read_to_string(&self.certificate).unwrap()
    }
}

impl Maker<'_> {
    fn hashes(&self) -> Vec<Case> {
        let good = self.root("good", &["rsa:2048"], &["-sha256"]);
        let old_hash = self.root("sha1", &["rsa:2048"], &["-sha1"]);
        let leaf =
            |ca: &Pair, options: &[&str]| self.leaf("leaf", Some(ca), &["rsa:2048"], options);
        let alone = self.leaf("alone", None, &["rsa:2048"], &["-sha1"]);
        vec![
            Case::new(
                "made by openssl, SHA-256",
                leaf(&good, &["-sha256"]).pem(),
                good.pem(),
            ),
            Case::new(
                "leaf signed with SHA-1",
                leaf(&good, &["-sha1"]).pem(),
                good.pem(),
            )
            .refused(&Client::ALL)
            .found(&[Code::WeakSignature]),
            Case::new(
                "root signed with SHA-1",
                leaf(&old_hash, &["-sha256"]).pem(),
                old_hash.pem(),
            )
            .found(&[Code::WeakSignature]),
            Case::new(
                "leaf signed with SHA-224",
                leaf(&good, &["-sha224"]).pem(),
                good.pem(),
            )
            .refused(&[Go, Rustls])
            .found(&[Code::WeakSignature]),
            Case::new(
                "leaf signed with RSA-PSS",
                leaf(
                    &good,
                    &[
                        "-sha256",
                        "-sigopt",
                        "rsa_padding_mode:pss",
                        "-sigopt",
                        "rsa_pss_saltlen:digest",
                    ],
                )
                .pem(),
                good.pem(),
            ),
            Case::new(
                "leaf signed with RSA and SHA-512",
                leaf(&good, &["-sha512"]).pem(),
                good.pem(),
            ),
            Case::new("self-signed with SHA-1", alone.pem(), alone.pem())
                .refused(&[Rustls])
                .found(&[Code::WeakSignature, Code::SelfSignedLeaf]),
        ]
    }

    fn keys(&self) -> Vec<Case> {
        let good = self.root("good", &["rsa:2048"], &[]);
        let small = self.root("small", &["rsa:1024"], &[]);
        let curve = |name: &str| {
            let option = format!("ec_paramgen_curve:{name}");
            ["ec".to_owned(), "-pkeyopt".to_owned(), option]
        };
        let curve = |name| curve(name).map(|word| &*word.leak());
        let leaf = |name, ca: &Pair, key: &[&str]| self.leaf(name, Some(ca), key, &[]);
        let p384 = self.root("p384", &curve("P-384"), &["-sha512"]);
        let k1 = self.root("k1", &curve("secp256k1"), &[]);
        let case = |name, leaf: Pair, ca: &Pair| {
            let mut case = Case::new(name, leaf.pem(), ca.pem());
            case.handshake = Some(self.handshake(&leaf));
            case
        };
        vec![
            case(
                "RSA leaf of 2048 bits",
                leaf("leaf2048", &good, &["rsa:2048"]),
                &good,
            ),
            case(
                "RSA leaf of 1024 bits",
                leaf("leaf1024", &good, &["rsa:1024"]),
                &good,
            )
            .refused(&[OpenSsl, Rustls])
            .found(&[Code::WeakKey]),
            case(
                "P-384 root that signs with SHA-512",
                self.leaf("p384leaf", Some(&p384), &curve("P-256"), &["-sha512"]),
                &p384,
            ),
            case(
                "secp256k1 leaf",
                leaf("k1leaf", &good, &curve("secp256k1")),
                &good,
            )
            .refused(&[Go, Rustls])
            .found(&[Code::UnevenKey]),
            case("secp256k1 root", leaf("leaf2048", &k1, &["rsa:2048"]), &k1)
                .refused(&[Go, Rustls])
                .found(&[Code::UnevenKey]),
            case(
                "RSA root of 1024 bits",
                leaf("leaf2048", &small, &["rsa:2048"]),
                &small,
            )
            .refused(&[OpenSsl, Rustls])
            .found(&[Code::WeakKey]),
        ]
    }

    fn oddities(&self) -> Vec<Case> {
        let curve = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let good = self.root("good", &curve, &[]);
        let negative_root = self.root("negative", &curve, &["-set_serial", "-7"]);
        let version_1 = self.version_1_root();
        let leaf = |name, ca: &Pair, options: &[&str]| self.leaf(name, Some(ca), &curve, options);
        let negative = leaf("leaf", &good, &["-set_serial", "-7"]);
        let named = |name: &str, subject: &str, names: &[&str]| {
            let mut all = vec!["-addext", "basicConstraints=critical,CA:FALSE"];
            all.extend(["-addext", "extendedKeyUsage=serverAuth"]);
            all.extend(["-CA", &good.certificate, "-CAkey", &good.key]);
            all.extend(names);
            self.request(name, subject, &curve, &all).pem()
        };
        vec![
            Case::new(
                "wildcard in the common name only",
                named("wild", "/CN=*.registry.example", &[]),
                good.pem(),
            )
            .at("a.registry.example")
            .refused(&[Go, Rustls])
            .found(&[Code::NoSan]),
            Case::new(
                "the first of two common names",
                named("two", "/CN=docker-registry.default/CN=other.example", &[]),
                good.pem(),
            )
            .refused(&[Go, Rustls])
            .found(&[Code::NoSan]),
            Case::new(
                "wildcard within a label",
                named(
                    "part",
                    "/CN=a",
                    &["-addext", "subjectAltName=DNS:reg*.registry.example"],
                ),
                good.pem(),
            )
            .at("reg1.registry.example")
            .refused(&[Go, Rustls])
            .found(&[Code::NameNotCovered, Code::OddName]),
            Case::new("negative serial", negative.pem(), good.pem())
                .refused(&[Go])
                .found(&[Code::BadSerial]),
            Case::new(
                "root with a negative serial",
                leaf("leaf", &negative_root, &[]).pem(),
                negative_root.pem(),
            )
            .refused(&[Go])
            .found(&[Code::BadSerial]),
            Case::new(
                "root of version 1",
                leaf("leaf", &version_1, &[]).pem(),
                version_1.pem(),
            )
            .found(&[Code::IssuerNotCa]),
        ]
    }

    fn root(&self, name: &str, key: &[&str], options: &[&str]) -> Pair {
        let subject = format!("/CN=Root {name}");
        let mut all = vec!["-addext", "basicConstraints=critical,CA:TRUE"];
        all.extend(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        all.extend(options);
        self.request(name, &subject, key, &all)
    }

    fn leaf(&self, name: &str, ca: Option<&Pair>, key: &[&str], options: &[&str]) -> Pair {
        let subject = format!("/CN={HOST}");
        let names = format!("subjectAltName=DNS:{HOST}");
        let mut all = vec![
            "-addext",
            &names,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        all.extend(["-addext", "keyUsage=critical,digitalSignature"]);
        all.extend(["-addext", "extendedKeyUsage=serverAuth"]);
        if let Some(ca) = ca {
            all.extend(["-CA", &ca.certificate, "-CAkey", &ca.key]);
        }
        all.extend(options);
        self.request(name, &subject, key, &all)
    }

    fn request(&self, name: &str, subject: &str, key: &[&str], options: &[&str]) -> Pair {
        let pair = self.pair(name);
        // Without the system's configuration, which adds extensions of its own.
        let config = self.path("req.cnf");
        fs::write(&config, "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
        let mut arguments = vec!["req", "-x509", "-nodes", "-days", "30", "-subj", subject];
        arguments.extend(["-config", &config]);
        arguments.extend(["-keyout", &pair.key, "-out", &pair.certificate, "-newkey"]);
        arguments.extend(key);
        arguments.extend(options);
        openssl(&arguments).unwrap();
        pair
    }

    /// Version 1 is what `openssl x509` made of a request without extensions
    /// up to 3.3; later ones have an option for it.
    fn version_1_root(&self) -> Pair {
        let pair = self.request("v1", "/CN=Root v1", &["rsa:2048"], &[]);
        let request = self.path("v1.csr");
        let (key, out) = (&pair.key, &pair.certificate);
        openssl(&[
            "req",
            "-new",
            "-key",
            key,
            "-subj",
            "/CN=Root v1",
            "-out",
            &request,
        ])
        .unwrap();
        openssl(&[
            "x509", "-req", "-in", &request, "-signkey", key, "-out", out,
        ])
        .unwrap();
        let is_version_1 = || {
            let text = openssl(&["x509", "-in", out, "-noout", "-text"]).unwrap();
            text.contains("Version: 1")
        };
        if !is_version_1() {
            let how = [
                "req",
                "-x509",
                "-x509v1",
                "-key",
                key,
                "-subj",
                "/CN=Root v1",
                "-out",
                out,
            ];
            openssl(&how).unwrap();
        }
        assert!(
            is_version_1(),
            "this openssl makes no version 1 certificate"
        );
        pair
    }

    /// A message and the leaf's signature over it.
    fn handshake(&self, leaf: &Pair) -> (Vec<u8>, Vec<u8>) {
        let message = b"handshake transcript".to_vec();
        let (input, output) = (self.path("message"), self.path("signature"));
        fs::write(&input, &message).unwrap();
        openssl(&[
            "dgst", "-sha256", "-sign", &leaf.key, "-out", &output, &input,
        ])
        .unwrap();
        (message, fs::read(&output).unwrap())
    }

    fn pair(&self, name: &str) -> Pair {
        Pair {
            certificate: self.path(&format!("{name}.crt")),
            key: self.path(&format!("{name}.key")),
        }
    }

    fn path(&self, name: &str) -> String {
        self.scratch
            .join(name)
            .into_os_string()
            .into_string()
            .unwrap()
    }
}
