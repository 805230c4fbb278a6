//! Files as people make them: each fault, at each place, in each kind of file.

use std::fmt::Write as _;
use std::sync::LazyLock;

use kreg_pki::Certificate;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rcgen::KeyPair;

use super::common::case::{Made, ca_params};
use super::faults::{FAULTS, FAULTS_OF_KEYS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bundle,
    Chain,
    Key,
}

pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    /// The key of a chain, or the certificate of a key.
    pub(crate) other: String,
}

impl File {
    pub(crate) fn shown(&self) -> String {
        let mut text = String::new();
        let is_plain = |line: &[u8]| line.len() == 65 && !line.contains(&b' ') && line.is_ascii();
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        for line in lines.filter(|line| !is_plain(line)) {
            let line = String::from_utf8_lossy(line);
            let short: String = line.chars().take(50).collect();
            let cut = if short.len() < line.len() { "…" } else { "" };
            writeln!(text, "    {short:?}{cut}").unwrap();
        }
        text
    }
}

/// Three certificates of one key, so that each of them can be the first of a chain.
struct World {
    certificates: [String; 3],
    ders: Vec<Vec<u8>>,
    prints: Vec<String>,
    key: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let certificates = ["A", "B", "C"].map(|name| {
        let key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
        let mut params = ca_params(name, |_| {});
        // Go judges by the clock of the machine.
        params.not_after = time::macros::datetime!(2080-01-01 0:00 UTC);
        params.not_before = time::macros::datetime!(2020-01-01 0:00 UTC);
        Made::self_signed(params, key).pem().replace("\r\n", "\n")
    });
    let read = |pem: &String| Certificate::all_from_pem(pem, "it").unwrap().remove(0);
    let certificates_read = certificates.each_ref().map(read);
    World {
        ders: certificates_read
            .iter()
            .map(|one| one.der().to_vec())
            .collect(),
        prints: certificates_read
            .iter()
            .map(|one| one.fingerprint().to_owned())
            .collect(),
        certificates,
        key: key.serialize_pem().replace("\r\n", "\n"),
    }
});

pub(crate) fn known() -> &'static [Vec<u8>] {
    &WORLD.ders
}

pub(crate) fn prints() -> &'static [String] {
    &WORLD.prints
}

pub(crate) fn leaf() -> &'static str {
    &WORLD.certificates[0]
}

/// Each fault in each kind of file, in a block that is alone, first, in the middle and last.
pub(crate) fn matrix() -> Vec<File> {
    let [first, second, third] = WORLD.certificates.each_ref().map(String::as_str);
    let places = [
        ("alone", "", first, ""),
        ("first", "", first, second),
        ("between", first, second, third),
        ("last", first, second, ""),
    ];
    let mut files = Vec::new();
    for (fault, make) in FAULTS {
        for (place, before, block, behind) in places {
            for kind in [Kind::Bundle, Kind::Chain] {
                files.push(File {
                    name: format!("{kind:?}: {fault}, {place}"),
                    kind,
                    bytes: make(before, block, behind).into_bytes(),
                    other: WORLD.key.clone(),
                });
            }
        }
    }
    for (form, key, certificate) in keys() {
        for (fault, make) in FAULTS.iter().chain(FAULTS_OF_KEYS) {
            files.push(File {
                name: format!("Key: {form}: {fault}"),
                kind: Kind::Key,
                bytes: make("", &key, "").into_bytes(),
                other: certificate.clone(),
            });
        }
    }
    let utf16 = first.encode_utf16().flat_map(u16::to_le_bytes);
    files.push(File {
        name: "Bundle: UTF-16".to_owned(),
        kind: Kind::Bundle,
        bytes: [0xff, 0xfe].into_iter().chain(utf16).collect(),
        other: String::new(),
    });
    files.push(File {
        name: "Bundle: DER".to_owned(),
        kind: Kind::Bundle,
        bytes: WORLD.ders[0].clone(),
        other: String::new(),
    });
    for kind in [Kind::Bundle, Kind::Chain, Kind::Key] {
        files.push(File {
            name: format!("{kind:?}: combined"),
            kind,
            bytes: format!("{}{first}{second}", WORLD.key).into_bytes(),
            other: if kind == Kind::Key {
                first.to_owned()
            } else {
                WORLD.key.clone()
            },
        });
    }
    files
}

/// Each form of key, and a certificate of it.
fn keys() -> Vec<(&'static str, String, String)> {
    let ec = openssl::ec::EcKey::private_key_from_pem(
        &openssl::pkey::PKey::private_key_from_pem(WORLD.key.as_bytes())
            .unwrap()
            .ec_key()
            .unwrap()
            .private_key_to_pem()
            .unwrap(),
    );
    let sec1 = String::from_utf8(ec.unwrap().private_key_to_pem().unwrap()).unwrap();
    let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
    let pkcs1 = String::from_utf8(rsa.private_key_to_pem().unwrap()).unwrap();
    let pkey = openssl::pkey::PKey::from_rsa(rsa).unwrap();
    let pkcs8 = String::from_utf8(pkey.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let pair = KeyPair::from_pem(&pkcs8).unwrap();
    let certificate = Made::self_signed(ca_params("RSA", |_| {}), pair);
    let of_ec = WORLD.certificates[0].clone();
    let of_rsa = certificate.pem().to_owned();
    vec![
        ("EC, PKCS #8", WORLD.key.clone(), of_ec.clone()),
        ("EC, SEC 1", sec1, of_ec),
        ("RSA, PKCS #8", pkcs8, of_rsa.clone()),
        ("RSA, PKCS #1", pkcs1, of_rsa),
    ]
}

/// Pieces of text that mean something to one of the readers.
const PIECES: &[&str] = &[
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    "    ",
    ":",
    "X: y\n",
    "X: y\n\n",
    "-",
    "-----",
    "=",
    "\u{feff}",
    "#",
    "text!",
    "-----BEGIN CERTIFICATE-----\n",
    "-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----",
    "-----END CERTIFICATE-----",
    "-----BEGIN PRIVATE KEY-----\n",
    "\n-----BEGIN X-----\n",
    "\n-----END X-----\n",
    "-----BEGIN TRUSTED CERTIFICATE-----\n",
];

/// Up to three pieces put in, or single characters that are not base64 taken out, near the ends of
/// lines mostly.
pub(crate) fn random(count: usize) -> Vec<File> {
    let edit = (any::<Index>(), any::<bool>(), any::<bool>(), select(PIECES));
    let edits = proptest::collection::vec(edit, 1..4);
    let kind = select(vec![Kind::Bundle, Kind::Chain, Kind::Key]);
    let strategy = (kind, 1..4_usize, edits);
    let mut runner = TestRunner::deterministic();
    (0..count)
        .filter_map(|number| {
            let (kind, blocks, edits) = strategy.new_tree(&mut runner).unwrap().current();
            let (mut text, other) = match kind {
                Kind::Key => (WORLD.key.clone(), WORLD.certificates[0].clone()),
                _ => (WORLD.certificates[..blocks].concat(), WORLD.key.clone()),
            };
            for (at, near, take, piece) in edits {
                let ends: Vec<_> = text.match_indices('\n').map(|(at, _)| at).collect();
                let mut at = match near && !ends.is_empty() {
                    true => ends[at.index(ends.len())] + usize::from(take),
                    false => at.index(text.len() + 1),
                };
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                match text[at..].chars().next() {
                    Some(one) if take && !one.is_ascii_alphanumeric() && !"+/".contains(one) => {
                        text.remove(at);
                    }
                    _ => text.insert_str(at, piece),
                }
            }
            // Whether OpenSSL takes it off the end of a line depends on the machine.
            let ends = |line: &str| line.trim_end().ends_with('\u{feff}');
            (!text.lines().any(ends)).then(|| File {
                name: format!("{kind:?} {number}"),
                kind,
                bytes: text.into_bytes(),
                other,
            })
        })
        .collect()
}
