//! Password hashes as they stand in htpasswd files, and bcrypt itself.

use std::fmt;

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bcrypt::{BcryptError, HashParts, Version};

use crate::cost::Cost;

/// What kind of hash an entry holds, told by its prefix as in `crypt(5)` and Apache's
/// "Password Formats".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashKind {
    /// `$2y$` and its siblings: the only kind the registry accepts.
    Bcrypt {
        /// The work factor written in the hash.
        cost: Cost,
    },
    /// A bcrypt prefix, but no hash that any password could match.
    BrokenBcrypt,
    /// `$apr1$`, Apache's own MD5; what `htpasswd` writes unless told `-B`.
    Apr1,
    /// `{SHA}`, unsalted SHA-1.
    Sha1,
    /// `$1$`, MD5 crypt.
    Md5Crypt,
    /// `$5$`, SHA-256 crypt.
    Sha256Crypt,
    /// `$6$`, SHA-512 crypt.
    Sha512Crypt,
    /// `$argon2...`.
    Argon2,
    /// `$y$` or `$7$`, yescrypt and scrypt.
    Yescrypt,
    /// Plain text, the old DES crypt, or something unknown.
    Other,
}

impl HashKind {
    /// Tells the kind of a hash field.
    #[must_use]
    pub fn of(hash: &[u8]) -> HashKind {
        if let Some(hash) = BcryptHash::parse(hash) {
            return HashKind::Bcrypt { cost: hash.cost };
        }
        let prefixes: [(&[u8], HashKind); 9] = [
            (b"$2", HashKind::BrokenBcrypt),
            (b"$apr1$", HashKind::Apr1),
            (b"{SHA}", HashKind::Sha1),
            (b"$1$", HashKind::Md5Crypt),
            (b"$5$", HashKind::Sha256Crypt),
            (b"$6$", HashKind::Sha512Crypt),
            (b"$argon2", HashKind::Argon2),
            (b"$y$", HashKind::Yescrypt),
            (b"$7$", HashKind::Yescrypt),
        ];
        let known = prefixes
            .into_iter()
            .find(|(prefix, _)| hash.starts_with(prefix));
        known.map_or(HashKind::Other, |(_, kind)| kind)
    }

    /// Whether the registry can let anybody in by such a hash: bcrypt only
    /// (distribution, `registry/auth/htpasswd/htpasswd.go`).
    #[must_use]
    pub fn is_accepted_by_registry(self) -> bool {
        matches!(self, HashKind::Bcrypt { .. })
    }
}

impl fmt::Display for HashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashKind::Bcrypt { cost } => write!(f, "bcrypt, cost {cost}"),
            HashKind::BrokenBcrypt => f.write_str("broken bcrypt"),
            HashKind::Apr1 => f.write_str("Apache MD5 (apr1)"),
            HashKind::Sha1 => f.write_str("unsalted SHA-1"),
            HashKind::Md5Crypt => f.write_str("MD5 crypt"),
            HashKind::Sha256Crypt => f.write_str("SHA-256 crypt"),
            HashKind::Sha512Crypt => f.write_str("SHA-512 crypt"),
            HashKind::Argon2 => f.write_str("Argon2"),
            HashKind::Yescrypt => f.write_str("yescrypt"),
            HashKind::Other => f.write_str("plain text or unknown"),
        }
    }
}

/// Other programs leave stray bits in a salt's last letter; Go ignores them, so do we.
const STRAY_BITS: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// In the digest they are compared as text, so that stray bits match no password at all.
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A bcrypt hash, read the way Go's `golang.org/x/crypto/bcrypt` does, which the registry
/// uses: any or no letter after `$2`, and whatever follows the digest is ignored.
pub(crate) struct BcryptHash {
    pub(crate) cost: Cost,
    salt: [u8; 16],
    digest: [u8; 31],
}

impl BcryptHash {
    /// `$2y$10$` + 22 letters of salt + 31 of digest.
    pub(crate) fn parse(hash: &[u8]) -> Option<BcryptHash> {
        let rest = hash.strip_prefix(b"$2")?;
        let rest = match rest.split_first()? {
            (b'$', rest) => rest,
            (_, rest) => rest.strip_prefix(b"$")?,
        };
        let (tens, units) = (*rest.first()?, *rest.get(1)?);
        if !tens.is_ascii_digit() || !units.is_ascii_digit() || *rest.get(2)? != b'$' {
            return None;
        }
        let cost = Cost::new(u32::from(tens - b'0') * 10 + u32::from(units - b'0')).ok()?;
        let mut salt = [0; 16];
        STRAY_BITS.decode_slice(rest.get(3..25)?, &mut salt).ok()?;
        let digest: [u8; 31] = rest.get(25..56)?.try_into().ok()?;
        STRICT.decode_slice(digest, &mut [0; 23]).ok()?;
        Some(BcryptHash { cost, salt, digest })
    }

    /// Whether the password's first 72 bytes give this hash. Compares in constant time.
    pub(crate) fn matches(&self, password: &str) -> bool {
        let mut canonical = format!("$2y${:02}${}", self.cost.get(), STRICT.encode(self.salt));
        canonical.extend(self.digest.iter().map(|byte| char::from(*byte)));
        bcrypt::verify(password, &canonical).unwrap_or(false)
    }
}

/// Hashes with a random salt into the `$2y$` form of Apache's `htpasswd`.
///
/// The caller has made sure of at most 72 bytes; bcrypt's own `non_truncating_*` stop at 71,
/// one short of what Go and Apache take.
pub(crate) fn bcrypt_2y(password: &str, cost: Cost) -> Result<String, BcryptError> {
    let parts: HashParts = bcrypt::hash_with_result(password, cost.get())?;
    Ok(parts.format_for_version(Version::TwoY))
}

/// Spends the time of one hash and forgets the result.
pub(crate) fn spend(password: &str, cost: Cost) {
    let hash = bcrypt::hash_with_salt(password, cost.get(), [0; 16]);
    // The time is the purpose; keep the compiler from seeing that nobody looks.
    std::hint::black_box(hash.is_ok());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by `htpasswd -nbB -C 5 u secret`.
    const SECRET: &str = "$2y$05$OegufUWe2ZDqVx2oiAhIO.F/W8PuuEX8ADaPoYGnIgviSnmZCsLY.";

    fn matches(hash: &str, password: &str) -> bool {
        BcryptHash::parse(hash.as_bytes()).is_some_and(|hash| hash.matches(password))
    }

    #[test]
    fn kinds_by_prefix() {
        for (hash, kind) in [
            ("$apr1$abcdefgh$0123456789012345678901", HashKind::Apr1),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", HashKind::Sha1),
            ("$1$abc$def", HashKind::Md5Crypt),
            ("$5$abc$def", HashKind::Sha256Crypt),
            ("$6$abc$def", HashKind::Sha512Crypt),
            ("$argon2id$v=19$m=1", HashKind::Argon2),
            ("$y$j9T$abc$def", HashKind::Yescrypt),
            ("$2y$05$short", HashKind::BrokenBcrypt),
            ("secret", HashKind::Other),
            ("", HashKind::Other),
        ] {
            assert_eq!(HashKind::of(hash.as_bytes()), kind, "{hash}");
            assert!(!kind.is_accepted_by_registry());
        }
        let cost = Cost::new(5).unwrap();
        assert_eq!(HashKind::of(SECRET.as_bytes()), HashKind::Bcrypt { cost });
    }

    #[test]
    fn prefixes_and_tails_that_go_ignores() {
        assert!(matches(SECRET, "secret") && !matches(SECRET, "Secret"));
        for prefix in ["$2$", "$2a$", "$2b$", "$2x$", "$2z$"] {
            assert!(
                matches(&SECRET.replace("$2y$", prefix), "secret"),
                "{prefix}"
            );
        }
        assert!(matches(&format!("{SECRET}:comment"), "secret"));
        for broken in [
            SECRET[..59].to_owned(),
            SECRET.replace("$05$", "$03$"),
            SECRET.replace("$05$", "$32$"),
            SECRET.replace("$05$", "$5$"),
            SECRET.replace("$2y$", "$3y$"),
        ] {
            assert!(BcryptHash::parse(broken.as_bytes()).is_none(), "{broken}");
        }
    }

    #[test]
    fn seventy_two_bytes_count_and_the_seventy_third_does_not() {
        let long = "x".repeat(72);
        let hash = bcrypt_2y(&long, Cost::MIN).unwrap();
        assert!(hash.starts_with("$2y$04$") && hash.len() == 60);
        assert!(matches(&hash, &long));
        assert!(!matches(&hash, &long[1..]));
        assert!(matches(&hash, &format!("{long}tail")));
    }

    proptest! {
        #[test]
        fn no_input_panics(hash: Vec<u8>, tail in "[ -~]{0,70}") {
            let _ = HashKind::of(&hash);
            let _ = HashKind::of(format!("$2y$04${tail}").as_bytes());
        }
    }
}
