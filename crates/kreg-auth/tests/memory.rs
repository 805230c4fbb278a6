//! A password that was dropped is nowhere in memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kreg_auth::{Cost, Credentials, ExposeSecret, Htpasswd, PasswordRecipe, PasswordSource};
use kreg_auth::{PullSecret, SecretString};

/// What is looked for, masked, so that the search does not find itself.
struct Needle(Vec<u8>);

impl Needle {
    /// All but the first bytes, which are overwritten in memory that is given back.
    fn of(text: &SecretString) -> Self {
        let text = text.expose_secret().as_bytes();
        Self(text[16..].iter().map(|byte| byte ^ 0xa5).collect())
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

fn long_password() -> SecretString {
    PasswordRecipe::with_length(60).unwrap().generate().unwrap()
}

/// One test: what several read would be in one another's memory.
#[test]
fn passwords_are_wiped_wherever_they_went() {
    let password = long_password();
    let alice = Credentials::new("alice", password.clone()).unwrap();
    // The password itself, and as it stands in headers and pull secrets.
    let needles = [Needle::of(&password), Needle::of(&alice.basic_token())];
    let header = alice.authorization();
    assert!(header.expose_secret().starts_with("Basic "));
    assert!(
        needles.iter().all(|needle| needle.count() >= 1),
        "the search sees nothing"
    );

    let mut users = Htpasswd::default();
    users.add(&alice, Cost::MIN).unwrap();
    assert!(users.check("alice", &password).is_accepted());
    assert!(!users.check("nobody", &password).is_accepted());

    let host = "docker-registry:5000".parse().unwrap();
    let mut secret = PullSecret::for_registry(&host, &alice);
    let json = secret.to_json();
    let read = PullSecret::parse(json.expose_secret().as_bytes()).unwrap();
    assert_eq!(read.credentials_for("docker-registry:5000/app").len(), 1);
    secret.merge(&read);
    assert!(secret.remove("docker-registry:5000"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, password.expose_secret()).unwrap();
    let from_file = PasswordSource::File(path).read().unwrap();

    drop((password, alice, header, secret, json, read, from_file));
    for (needle, what) in needles.iter().zip(["the password", "its token"]) {
        assert_eq!(needle.count(), 0, "{what} is still there");
    }
    // And the search does see what was only dropped.
    let left = STANDARD.encode(long_password().expose_secret());
    let needle = Needle::of(&left.clone().into());
    drop(left);
    assert!(
        needle.count() >= 1,
        "the search does not see memory that was given back"
    );
}
