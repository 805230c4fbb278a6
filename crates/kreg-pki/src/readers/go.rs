//! Go: `encoding/pem`, and what `crypto/x509` and `crypto/tls` make of its blocks.
//!
//! It never complains about a block: it passes it over, and goes on after its `END` line.

use rustls_pki_types::PrivateKeyDer;

use super::{Found, Refusal, decode, find, pack};
use crate::Certificate;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// `CertPool.AppendCertsFromPEM`: no headers, and what is not a certificate is passed over.
pub(super) fn bundle(pem: &[u8]) -> Result<Vec<Certificate>, Refusal> {
    let certificates = Blocks(pem)
        .filter(|block| block.label == b"CERTIFICATE" && block.headers == 0)
        .filter_map(|block| block.certificate().ok());
    Ok(certificates.collect())
}

/// `tls.X509KeyPair`: headers do not matter, and only the first is looked into.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<Certificate>, Refusal> {
    let mut blocks = Blocks(pem).filter(|block| block.label == b"CERTIFICATE");
    let first = blocks.next().ok_or(Refusal::Nothing)?.certificate()?;
    let links = blocks.filter_map(|block| block.certificate().ok());
    Ok(std::iter::once(first).chain(links).collect())
}

/// `tls.X509KeyPair`: the first block that is called so counts, whatever form it has.
pub(super) fn key(pem: &[u8]) -> Result<(), Refusal> {
    let is_key = |label: &[u8]| label == b"PRIVATE KEY" || label.ends_with(b" PRIVATE KEY");
    let block = Blocks(pem)
        .find(|block| is_key(&block.label))
        .ok_or(Refusal::Nothing)?;
    match block.key() {
        Err(_) if block.headers > 0 => Err(Refusal::Headers),
        // `x509.ParsePKCS1PrivateKey` alone looks behind it.
        Ok((PrivateKeyDer::Pkcs1(_), 1..)) => Err(Refusal::Content),
        found => found.map(drop),
    }
}

/// The blocks that `pem.Decode` returns, one after the other.
struct Blocks<'a>(&'a [u8]);

impl Iterator for Blocks<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let mut rest = self.0;
        loop {
            // The first END line, and the last BEGIN before it.
            let end = find(rest, END)?;
            let tail = &rest[end + END.len()..];
            let begun = rest[..end]
                .windows(BEGIN.len())
                .rposition(|window| window == BEGIN)
                .filter(|at| *at == 0 || rest[at - 1] == b'\n');
            // The newline before END may be the one that ends BEGIN's line or the last header's.
            let body = begun.map(|at| &rest[at + BEGIN.len()..end + 1]);
            match body.and_then(|body| block(body, tail)) {
                Some((found, after)) => {
                    self.0 = after;
                    return Some(found);
                }
                None => rest = tail,
            }
        }
    }
}

/// The block, and what follows its END line. `body` is all between the word BEGIN and the line of
/// END, its last newline included; `tail` is what follows the word END.
fn block<'a>(body: &[u8], tail: &'a [u8]) -> Option<(Found, &'a [u8])> {
    let (first, mut body) = line(body);
    let label = first.strip_suffix(DASHES)?;
    let mut headers = 0;
    while let (header, after) = line(body)
        && header.contains(&b':')
    {
        headers += body.len() - after.len();
        body = after;
    }
    // After headers there must be one more line.
    if headers > 0 && body.is_empty() {
        return None;
    }
    let (behind, after) = line(tail.strip_prefix(label)?.strip_prefix(DASHES)?);
    if !behind.is_empty() {
        return None;
    }
    let der = decode(&pack(body))?;
    let found = Found {
        label: label.to_vec(),
        headers,
        der,
    };
    Some((found, after))
}

/// `getLine`: the first line without its end and the spaces before it, and the rest.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[text.len()..]),
    };
    let ended = text.len() > line.len();
    let line = match line.strip_suffix(b"\r") {
        Some(bare) if ended => bare,
        _ => line,
    };
    let size = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t'))
        .map_or(0, |at| at + 1);
    (&line[..size], rest)
}
