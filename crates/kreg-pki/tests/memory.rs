//! A key that was dropped is nowhere in memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use kreg_pki::{Authority, AuthorityRequest, ExposeSecret, Issuer, KeyAlgorithm, LeafRequest};
use kreg_pki::{PrivateKey, SecretString};

/// What is looked for, masked, so that the search does not find itself.
struct Needle(Vec<u8>);

impl Needle {
    /// A piece out of the middle of the base64: the ends are in many a key alike, and memory
    /// that is given back has its first bytes overwritten.
    fn of(pem: &SecretString) -> Self {
        let line = pem.expose_secret().lines().nth(1).unwrap();
        Self(
            line.as_bytes()[40..64]
                .iter()
                .map(|byte| byte ^ 0xa5)
                .collect(),
        )
    }

    fn count(&self) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        let mut found = 0;
        // Read piece by piece into the same buffer, masked at once.
        let mut piece = vec![0; 1 << 20];
        for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let parse = |hex| u64::from_str_radix(hex, 16).unwrap();
            let (mut at, end) = (parse(from), parse(to));
            while at < end {
                let size = usize::try_from(end - at).unwrap().min(piece.len());
                let Ok(read) = memory.read_at(&mut piece[..size], at) else {
                    break;
                };
                piece[..read].iter_mut().for_each(|byte| *byte ^= 0xa5);
                let masked = piece[..read].windows(self.0.len());
                // The buffer and the needle are masked where they lie: neither is found.
                found += masked.filter(|window| *window == self.0).count();
                piece[..read].fill(0);
                at += (read as u64).max(1);
            }
        }
        found
    }
}

/// One test, not two: what one of them reads would be in the other's memory.
#[test]
fn keys_are_wiped_wherever_they_went() {
    of_keys();
    of_authorities_and_leaves();
}

fn of_keys() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let needle = Needle::of(key.to_pem());
        assert!(needle.count() >= 1, "the search sees nothing");
        let again = PrivateKey::from_pem(key.to_pem().expose_secret(), "it").unwrap();
        drop((key, again));
        assert_eq!(needle.count(), 0, "{algorithm}");
    }
}

fn of_authorities_and_leaves() {
    let ca = Authority::generate(&AuthorityRequest::new("r")).unwrap();
    let loaded = Authority::from_pem(ca.certificate_pem(), ca.key_pem().expose_secret()).unwrap();
    let request = LeafRequest::new("r").sans(["registry".parse().unwrap()]);
    let leaf = loaded.issue(&request).unwrap();
    let needles = [Needle::of(ca.key_pem()), Needle::of(leaf.key_pem())];
    assert!(needles.iter().all(|needle| needle.count() >= 1));
    drop((ca, loaded, leaf));
    for needle in needles {
        assert_eq!(needle.count(), 0);
    }
}
