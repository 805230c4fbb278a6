//! OpenSSL 3: `PEM_read_bio`, and what its callers make of the blocks.
//!
//! Lines before a block are passed over, but once one has begun, the first fault refuses the file.

use rustls_pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::Sequence;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::{Found, Refusal, decode, fits_pkcs8, label_of, pack};
use crate::Certificate;

/// Characters of a line that are read at once; a longer one is read as several.
const LINE: usize = 254;
/// A full line of base64 (RFC 7468 section 2) with its end.
const FULL: usize = 65;

/// `X509_load_cert_crl_file` by `PEM_X509_INFO_read_bio`.
pub(super) fn bundle(pem: &[u8]) -> Result<Vec<Certificate>, Refusal> {
    let mut blocks = Blocks(pem);
    let mut certificates = Vec::new();
    while let Some(block) = blocks.next()? {
        if is_certificate(&block) || block.label == TRUSTED {
            certificates.push(certificate(&block, block.label == TRUSTED)?);
        }
    }
    Ok(certificates)
}

/// `SSL_CTX_use_certificate_chain_file`: the first may be a trusted one (`PEM_read_bio_X509_AUX`).
pub(super) fn chain(pem: &[u8]) -> Result<Vec<Certificate>, Refusal> {
    let mut blocks = Blocks(pem);
    let mut certificates = Vec::new();
    while let Some(block) = blocks.next()? {
        let is_first = certificates.is_empty();
        if is_certificate(&block) || (is_first && block.label == TRUSTED) {
            certificates.push(certificate(&block, is_first)?);
        }
    }
    Ok(certificates)
}

/// `PEM_read_bio_PrivateKey`: the first block that is called so. Its decoders go on after a damaged
/// block, and take short headers for none.
pub(super) fn key(pem: &[u8]) -> Result<(), Refusal> {
    const SHORT: usize = 10;
    let mut blocks = Blocks(pem);
    let mut refusal = Refusal::Nothing;
    loop {
        let block = match blocks.next() {
            Ok(Some(block)) => block,
            Ok(None) => return Err(refusal),
            Err(fault) => {
                refusal = fault;
                continue;
            }
        };
        let label = block.label.as_slice();
        if !KEYS.contains(&label) {
            continue;
        }
        if block.headers > SHORT {
            return Err(Refusal::Headers);
        }
        return match (block.key(), label) {
            (Ok((key, _)), _) if label_of(&key) == label => Ok(()),
            (Ok((PrivateKeyDer::Pkcs8(key), _)), _) if fits_pkcs8(label, &key) => Ok(()),
            (_, b"ENCRYPTED PRIVATE KEY") => Err(Refusal::Headers),
            _ => Err(Refusal::Content),
        };
    }
}

/// Labels of private keys, of the kinds that a registry's server may have.
const KEYS: [&[u8]; 4] = [
    b"PRIVATE KEY",
    b"RSA PRIVATE KEY",
    b"EC PRIVATE KEY",
    b"ENCRYPTED PRIVATE KEY",
];

/// With OpenSSL's own attributes after the certificate (openssl-x509(1), TRUST SETTINGS).
const TRUSTED: &[u8] = b"TRUSTED CERTIFICATE";

fn is_certificate(block: &Found) -> bool {
    matches!(block.label.as_slice(), b"CERTIFICATE" | b"X509 CERTIFICATE")
}

/// What follows the certificate in its block is not looked at, or must be its attributes.
fn certificate(block: &Found, attributes: bool) -> Result<Certificate, Refusal> {
    if block.headers > 0 {
        return Err(Refusal::Headers);
    }
    let (rest, _) = X509Certificate::from_der(&block.der).map_err(|_| Refusal::Content)?;
    if attributes && !rest.is_empty() && Sequence::from_der(rest).is_err() {
        return Err(Refusal::Content);
    }
    let size = block.der.len() - rest.len();
    Certificate::from_der(&block.der[..size]).map_err(|_| Refusal::Content)
}

/// What may hold a key.
type Text = Zeroizing<Vec<u8>>;

struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    /// `PEM_read_bio`; nothing where no further BEGIN line is.
    fn next(&mut self) -> Result<Option<Found>, Refusal> {
        let Some(label) = self.label() else {
            return Ok(None);
        };
        let (header, data) = self.header_and_data(&label)?;
        // A dash is the end of base64 (`EVP_DecodeUpdate`).
        let end = data.iter().position(|byte| *byte == b'-');
        let packed = pack(&data[..end.unwrap_or(data.len())]);
        match decode(&packed) {
            Some(der) if !data.is_empty() => Ok(Some(Found {
                label,
                headers: header.len(),
                der,
            })),
            _ => Err(Refusal::Damaged),
        }
    }

    /// `get_name`: what the next BEGIN line calls the block. A byte order mark before the line on
    /// which the search begins is passed over.
    fn label(&mut self) -> Option<Vec<u8>> {
        let mut is_first = true;
        loop {
            let read = self.read_line()?;
            let read = match read.strip_prefix(b"\xef\xbb\xbf") {
                Some(bare) if is_first && !bare.is_empty() => bare,
                _ => read,
            };
            is_first = false;
            let label = clean(read)
                .strip_prefix(b"-----BEGIN ")
                .and_then(|line| line.strip_suffix(b"-----"));
            if let Some(label) = label {
                return Some(label.to_vec());
            }
        }
    }

    /// `get_header_and_data`: headers end at the first blank line, and without one there are none
    /// unless a colon says so. After a blank line only the last line may be short.
    fn header_and_data(&mut self, label: &[u8]) -> Result<(Text, Text), Refusal> {
        // Of the right size from the start: growing would leave copies of a key behind.
        let room = || Zeroizing::new(Vec::with_capacity(self.0.len() + 1));
        let (mut before, mut after) = (room(), room());
        let (mut is_after, mut in_header, mut is_last) = (false, false, false);
        let mut is_part = false;
        loop {
            let read = self.read_line().ok_or(Refusal::Damaged)?;
            let was_part = is_part;
            is_part = read.len() == LINE && !read.ends_with(b"\n");
            in_header |= !is_after && read.contains(&b':');
            let line = clean(read);
            if line.is_empty() {
                if !was_part {
                    if is_after {
                        return Err(Refusal::Damaged);
                    }
                    is_after = true;
                }
                continue;
            }
            if let Some(end) = line.strip_prefix(b"-----END ") {
                return match end.strip_prefix(label) {
                    Some(b"-----") if is_after || in_header => Ok((before, after)),
                    Some(b"-----") => Ok((after, before)),
                    _ => Err(Refusal::Damaged),
                };
            }
            if is_last {
                return Err(Refusal::Damaged);
            }
            let to = if is_after { &mut after } else { &mut before };
            to.extend_from_slice(line);
            to.push(b'\n');
            if is_after {
                match line.len() + 1 {
                    0..FULL => is_last = true,
                    FULL => {}
                    _ => return Err(Refusal::Damaged),
                }
            }
        }
    }

    /// `BIO_gets` of a file: to the end of the line, of what fits, or to a zero byte.
    fn read_line(&mut self) -> Option<&'a [u8]> {
        let some = &self.0[..self.0.len().min(LINE)];
        let size = match some.iter().position(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None => some.len(),
        };
        let (line, rest) = self.0.split_at(size);
        self.0 = rest;
        let end = line.iter().position(|byte| *byte == 0);
        Some(&line[..end.unwrap_or(size)]).filter(|line| !line.is_empty())
    }
}

/// `sanitize_line`: without the spaces and control characters at its end. Where C's `char` has a
/// sign, it also takes off what is not ASCII; that is not relied on here.
fn clean(line: &[u8]) -> &[u8] {
    let size = line.iter().rposition(|byte| *byte > b' ');
    &line[..size.map_or(0, |at| at + 1)]
}
