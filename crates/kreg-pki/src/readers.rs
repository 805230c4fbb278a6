//! What each TLS library makes of a file of certificates or keys.
//!
//! [`crate::TrustBundle`] and its like read whatever can be read. The programs that meet the same
//! file are stricter, and each in its own way: Go passes over a block whose `BEGIN` line is
//! indented and says nothing, OpenSSL refuses the whole file for one header. The rules are those
//! of Go 1.26, the strictest (`encoding/pem`, `crypto/x509`, `crypto/tls`) and OpenSSL 3 (`crypto/pem/pem_lib.c`,
//! `pem_info.c`, `ssl/ssl_rsa.c`); for rustls, `rustls-pki-types` itself is asked. The crate's
//! tests compare them with these programs over a matrix of files, and over random ones.
//!
//! ```
//! use kreg_pki::lint::Client;
//! use kreg_pki::readers;
//! # use kreg_pki::{Authority, AuthorityRequest};
//! # let ca_pem = Authority::generate(&AuthorityRequest::new("r"))?.certificate_pem();
//! let marked = format!("\u{feff}{ca_pem}");
//! assert!(readers::bundle(marked.as_bytes(), Client::Go).is_err());
//! assert!(readers::bundle(marked.as_bytes(), Client::OpenSsl).is_ok());
//! # Ok::<(), kreg_pki::Error>(())
//! ```

mod form;
mod go;
mod openssl;
mod rustls;

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::asn1_rs::{Any, FromDer as _};
use zeroize::Zeroizing;

use crate::Certificate;
use crate::lint::Client;

pub use form::{Oddity, oddities};

/// Why a client refuses a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It sees no block of the kind that it looks for.
    Nothing,
    /// A block does not end, or what it holds is not base64.
    Damaged,
    /// A block has headers (RFC 1421 section 4.6), as encrypted keys of old have.
    Headers,
    /// What a block holds is not what its first line says.
    Content,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "it sees no such block",
            Self::Damaged => "a block is damaged",
            Self::Headers => "a block has headers or is encrypted",
            Self::Content => "a block does not hold what its first line says",
        })
    }
}

/// What a program on `client` trusts that is given `pem` as its CA file: Go's
/// `AppendCertsFromPEM`, OpenSSL's `SSL_CTX_load_verify_locations`, a `RootCertStore` of rustls.
///
/// # Errors
/// The [`Refusal`], if it trusts none.
pub fn bundle(pem: &[u8], client: Client) -> Result<Vec<Certificate>, Refusal> {
    some(match client {
        Client::Go => go::bundle(pem),
        Client::OpenSsl => openssl::bundle(pem),
        Client::Rustls => rustls::certificates(pem),
    }?)
}

/// What a server on `client` sends that is given `pem` as its certificate file: Go's
/// `X509KeyPair`, OpenSSL's `SSL_CTX_use_certificate_chain_file`, a `CertifiedKey` of rustls.
///
/// # Errors
/// The [`Refusal`], if it does not start with it.
pub fn chain(pem: &[u8], client: Client) -> Result<Vec<Certificate>, Refusal> {
    some(match client {
        Client::Go => go::chain(pem),
        Client::OpenSsl => openssl::chain(pem),
        Client::Rustls => rustls::certificates(pem),
    }?)
}

/// Whether a server on `client` finds a private key in `pem`. Not whether it is of a kind that it
/// supports.
///
/// # Errors
/// The [`Refusal`], if it finds none.
pub fn key(pem: &[u8], client: Client) -> Result<(), Refusal> {
    match client {
        Client::Go => go::key(pem),
        Client::OpenSsl => openssl::key(pem),
        Client::Rustls => rustls::key(pem),
    }
}

fn some(certificates: Vec<Certificate>) -> Result<Vec<Certificate>, Refusal> {
    match certificates.is_empty() {
        true => Err(Refusal::Nothing),
        false => Ok(certificates),
    }
}

/// A block as one of them sees it. Wiped when dropped, because it may be a key.
struct Found {
    label: Vec<u8>,
    /// Bytes of the headers.
    headers: usize,
    der: Zeroizing<Vec<u8>>,
}

impl Found {
    /// The certificate that it holds to its last byte.
    fn certificate(&self) -> Result<Certificate, Refusal> {
        Certificate::from_der(&self.der).map_err(|_| Refusal::Content)
    }

    /// The private key that it holds, whatever its label says, and how many bytes follow it.
    fn key(&self) -> Result<(PrivateKeyDer<'_>, usize), Refusal> {
        let (rest, _) = Any::from_der(&self.der).map_err(|_| Refusal::Content)?;
        let key = PrivateKeyDer::try_from(self.der.as_slice()).map_err(|_| Refusal::Content)?;
        Ok((key, rest.len()))
    }
}

/// The label that a key of this form is written under.
fn label_of(key: &PrivateKeyDer<'_>) -> &'static [u8] {
    match key {
        PrivateKeyDer::Pkcs1(_) => b"RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => b"EC PRIVATE KEY",
        _ => b"PRIVATE KEY",
    }
}

/// Whether a key in PKCS #8 may stand under that label: under one of old, if it is of its kind.
fn fits_pkcs8(label: &[u8], key: &PrivatePkcs8KeyDer<'_>) -> bool {
    // rsaEncryption, id-ecPublicKey (RFC 3279 sections 2.3.1 and 2.3.5).
    let kind: &[u8] = match label {
        b"RSA PRIVATE KEY" => &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1],
        b"EC PRIVATE KEY" => &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1],
        _ => return true,
    };
    find(key.secret_pkcs8_der(), kind).is_some()
}

/// Base64 as Go and OpenSSL read it: padding must be there, bits after the last byte are not
/// looked at. Spaces must be gone.
fn decode(packed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let mut der = Zeroizing::new(vec![0; packed.len() / 4 * 3 + 3]);
    let size = ENGINE.decode_slice(packed, &mut der).ok()?;
    der.truncate(size);
    Some(der)
}

/// Without the bytes that both take for spaces within base64, in memory of the right size.
fn pack(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let mut packed = Zeroizing::new(Vec::with_capacity(text.len()));
    packed.extend(text.iter().copied().filter(|byte| !is_space(byte)));
    packed
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}
