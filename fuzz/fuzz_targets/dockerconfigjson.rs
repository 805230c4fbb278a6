//! What is read as a pull secret is written the same, and setting one entry drops no other.

#![no_main]

use kreg_auth::{Credentials, ExposeSecret, PullSecret, RegistryHost};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(secret) = PullSecret::parse(data) else {
        return;
    };
    let again = PullSecret::parse(secret.to_json().expose_secret().as_bytes());
    assert_eq!(again.expect("own output is read"), secret);
    assert_eq!(secret.auths().count(), secret.keys().count());
    for key in secret.keys() {
        let _ = secret.credentials_for(&format!("{key}/app:v1"));
    }
    let host: RegistryHost = "r.example:5000".parse().expect("a host");
    let user = Credentials::new("user", "password").expect("credentials");
    let mut more = secret.clone();
    more.insert(&host, &user);
    let found = more.get("r.example:5000").expect("just inserted");
    assert_eq!(found.username(), "user");
    assert!(secret.keys().all(|key| more.get(key).is_some()));
    let mut merged = secret.clone();
    merged.merge(&PullSecret::for_registry(&host, &user));
    assert!(merged.keys().eq(more.keys()));
});
