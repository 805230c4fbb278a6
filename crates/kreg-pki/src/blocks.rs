//! PEM blocks out of text as people keep it: comments before, between and
//! after the blocks, CRLF, byte order marks, files glued without a newline.
//!
//! The usual readers skip what they do not understand, which turns a damaged
//! bundle into a shorter one. Here every `BEGIN` must come out as a block.

use pem::{EncodeConfig, LineEnding, Pem};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Error;

/// Label of a certificate block (RFC 7468 section 5).
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

/// All blocks of `text`, in file order.
pub(crate) fn parse(text: &[u8], what: &str) -> Result<Vec<Pem>, Error> {
    let refused = |reason: String| Error::Pem {
        what: what.to_owned(),
        reason,
    };
    let clean = normalise(text);
    let blocks = pem::parse_many(clean.as_slice())
        .map_err(|error| refused(format!("{error}; export the file again")))?;
    let begun = count(&clean, b"-----BEGIN ");
    if begun != blocks.len() {
        return Err(refused(format!(
            "{begun} blocks begin but only {} end properly; the file is truncated or damaged",
            blocks.len()
        )));
    }
    Ok(blocks)
}

/// Whether the label names a private key of any form, encrypted ones included.
pub(crate) fn is_private_key(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

/// One block as text: LF line ends, a newline at the end, so that two encoded
/// blocks can always be concatenated.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let block = Pem::new(label, der);
    let text = pem::encode_config(&block, config);
    // The block's copy may be a key.
    block.into_contents().zeroize();
    text
}

/// Without byte order marks (also those that `cat` leaves in the middle) and
/// with LF line ends. Wiped on drop, because it may hold a key.
fn normalise(text: &[u8]) -> Zeroizing<Vec<u8>> {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    let mut clean = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(BOM) {
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b"\r\n") {
            clean.push(b'\n');
            rest = after;
        } else {
            clean.push(*first);
            rest = tail;
        }
    }
    clean
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack
        .windows(needle.len())
        .filter(|window| *window == needle)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"some bytes that stand for a certificate of sixty-four or more";

    #[test]
    fn reads_blocks_with_text_crlf_and_marks() {
        let block = encode(CERTIFICATE, BODY);
        let text = format!(
            "\u{feff}subject=CN = a\r\n{}\u{feff}between\n{block}after\n",
            block.replace('\n', "\r\n")
        );
        let blocks = parse(text.as_bytes(), "the bundle").unwrap();
        assert_eq!(blocks.len(), 2);
        assert!(blocks.iter().all(|b| b.contents() == BODY));
    }

    #[test]
    fn reads_blocks_glued_without_newline() {
        let block = encode(CERTIFICATE, BODY);
        let glued = format!("{}{}", block.trim_end(), block.trim_end());
        assert_eq!(parse(glued.as_bytes(), "the bundle").unwrap().len(), 2);
    }

    #[test]
    fn a_truncated_block_is_an_error_and_not_a_shorter_file() {
        let block = encode(CERTIFICATE, BODY);
        let text = format!("{block}{}", &block[..block.len() - 30]);
        let error = parse(text.as_bytes(), "ca.crt").unwrap_err().to_string();
        assert!(
            error.contains("ca.crt") && error.contains("truncated"),
            "{error}"
        );
    }

    #[test]
    fn damaged_base64_is_an_error() {
        let text = encode(CERTIFICATE, BODY).replace("c29t", "c2!t");
        assert!(parse(text.as_bytes(), "ca.crt").is_err());
    }
}
