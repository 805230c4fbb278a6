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
    let Some((_, rest)) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----") else {
        return text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || text.lines().any(|line| {
                line.starts_with("Proc-Type:") && line.trim_end().ends_with(",ENCRYPTED")
            });
    };
    let body: String = rest
        .lines()
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    // "openssh-key-v1", a zero, then the cipher's name with its length before it.
    let bytes = STANDARD.decode(body.trim()).unwrap_or_default();
    let cipher = bytes.strip_prefix(b"openssh-key-v1\0");
    cipher.is_some_and(|cipher| !cipher.starts_with(b"\0\0\0\x04none"))
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
