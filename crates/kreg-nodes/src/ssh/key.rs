//! Whether a private key file wants a passphrase.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether the private key in `file` is encrypted: in OpenSSH's form (PROTOCOL.key), PKCS#8 or the
/// older PEM. A file that holds no private key is not.
///
/// # Errors
/// If the file cannot be read.
pub fn has_passphrase(file: &Path) -> io::Result<bool> {
    let text = String::from_utf8_lossy(&fs::read(file)?).into_owned();
    Ok(is_encrypted(&text))
}

fn is_encrypted(text: &str) -> bool {
    let Some(bytes) = of_openssh(text) else {
        return text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || text.lines().any(|line| {
                line.starts_with("Proc-Type:") && line.trim_end().ends_with(",ENCRYPTED")
            });
    };
    // "openssh-key-v1", a zero, then the cipher's name with its length before it.
    let cipher = bytes.strip_prefix(b"openssh-key-v1\0");
    cipher.is_some_and(|cipher| !cipher.starts_with(b"\0\0\0\x04none"))
}

/// Whether `file` only names a key that a security device holds (FIDO): its public half, which is
/// never encrypted, has a type that begins with `sk-`.
pub(super) fn is_hardware_key(file: &Path) -> bool {
    let text = fs::read(file).unwrap_or_default();
    let bytes = of_openssh(&String::from_utf8_lossy(&text)).unwrap_or_default();
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    has(b"\x1ask-ssh-ed25519@openssh.com") || has(b"\x22sk-ecdsa-sha2-nistp256@openssh.com")
}

/// What a private key in OpenSSH's form holds.
fn of_openssh(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let body: String = rest
        .lines()
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    Some(STANDARD.decode(body.trim()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Against the keys that ssh-keygen makes, in each of its forms.
    #[test]
    #[ignore = "needs ssh-keygen: run by cargo xtask test"]
    fn knows_encrypted_keys_of_every_form() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, form) in [
            ("ed25519", "RFC4716"),
            ("rsa", "RFC4716"),
            ("rsa", "PEM"),
            ("ecdsa", "PKCS8"),
        ] {
            for passphrase in ["", "open sesame"] {
                let file = folder
                    .path()
                    .join(format!("{kind}{form}{}", passphrase.len()));
                let ran = Command::new("ssh-keygen")
                    .args(["-q", "-t", kind, "-m", form, "-N", passphrase, "-f"])
                    .arg(&file)
                    .output()
                    .unwrap();
                assert!(ran.status.success(), "{ran:?}");
                let told = has_passphrase(&file).unwrap();
                assert_eq!(told, !passphrase.is_empty(), "{kind} {form} {passphrase:?}");
            }
        }
    }

    /// PROTOCOL.key: cipher, kdf, its options, the number of keys, the first public one.
    #[test]
    fn knows_keys_of_security_devices() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let string = |text: &str| {
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            [&length, text.as_bytes()].concat()
        };
        for (kind, held) in [
            ("sk-ssh-ed25519@openssh.com", true),
            ("sk-ecdsa-sha2-nistp256@openssh.com", true),
            ("ssh-ed25519", false),
        ] {
            let public = [string(kind), string("point")].concat();
            let length = u32::try_from(public.len()).unwrap().to_be_bytes();
            let bytes = [
                b"openssh-key-v1\0".to_vec(),
                string("none"),
                string("none"),
                string(""),
                vec![0, 0, 0, 1],
                length.to_vec(),
                public,
            ]
            .concat();
            let text = format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
                STANDARD.encode(bytes)
            );
            fs::write(&file, text).unwrap();
            assert_eq!(is_hardware_key(&file), held, "{kind}");
        }
        assert!(!is_hardware_key(&folder.path().join("none")));
    }

    #[test]
    fn what_is_no_key_has_none() {
        for text in [
            "",
            "ssh-ed25519 AAAA",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n???\n",
        ] {
            assert!(!is_encrypted(text), "{text}");
        }
    }
}
