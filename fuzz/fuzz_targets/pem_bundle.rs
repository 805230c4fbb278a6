//! Whatever a file holds, reading it as certificates, bundle or key and
//! linting it never panics, and what is read is written and read the same.

#![no_main]

use kreg_pki::lint::Lint;
use kreg_pki::{Certificate, Leaf, PrivateKey, San, TrustBundle};
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

fuzz_target!(|data: &[u8]| {
    // A NUL byte, which no PEM file holds, divides chain and trust file.
    let (chain, trust) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, data),
    };
    if let Ok(bundle) = TrustBundle::from_pem(trust, "input") {
        let again = TrustBundle::from_pem(bundle.to_pem(), "output").expect("own output is read");
        assert_eq!(bundle, again);
    }
    if let Ok(key) = PrivateKey::from_pem(chain, "input") {
        let again = PrivateKey::from_pem(key.to_pem().expose_secret(), "output");
        assert_eq!(again.expect("own output is read").public_key_der(), key.public_key_der());
    }
    // The way past base64, straight into the certificate's fields.
    if let Ok(certificate) = Certificate::from_der(data) {
        let pem = certificate.to_pem();
        let _ = certificate.is_issued_by(&certificate);
        let _ = Lint::new(&pem, &pem, OffsetDateTime::UNIX_EPOCH).run();
    }
    let _ = Leaf::from_pem(chain, trust);
    let text = String::from_utf8_lossy(trust);
    if let Ok(san) = text.parse::<San>() {
        assert_eq!(san.to_string().parse::<San>().expect("own output is read"), san);
    }
    let key = SecretString::from(text.into_owned());
    let endpoints = [San::Dns("registry".into()), San::Ip([10, 96, 0, 50].into())];
    let _ = Lint::new(chain, trust, OffsetDateTime::UNIX_EPOCH)
        .endpoints(endpoints)
        .key(&key)
        .run();
});
