//! PEM blocks out of text as people keep it: comments before, between and
//! after the blocks, CRLF, byte order marks, files glued without a newline.
//!
//! The usual readers skip what they do not understand, which turns a damaged
//! bundle into a shorter one. Here every `BEGIN` must come out as a block.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Error;

/// Label of a certificate block (RFC 7468 section 5).
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

/// Characters of base64 in a line (RFC 7468 section 2).
const LINE: usize = 64;

/// One block, wiped when dropped, because it may be a key.
pub(crate) struct Block {
    label: String,
    is_encrypted: bool,
    der: Zeroizing<Vec<u8>>,
}

impl Block {
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Whether its headers say so (RFC 1421 section 4.6.1.1), as OpenSSL's old keys do.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }
}

/// All blocks of `text`, in file order.
pub(crate) fn parse(text: &[u8], what: &str) -> Result<Vec<Block>, Error> {
    let clean = normalise(text);
    let mut rest = clean.as_slice();
    let mut blocks = Vec::new();
    while let Some((_, begun)) = cut(rest, b"-----BEGIN ") {
        let (block, after) = block(begun).map_err(|reason| Error::Pem {
            what: what.to_owned(),
            reason: format!(
                "block {}: {reason}; export the file again",
                blocks.len() + 1
            ),
        })?;
        blocks.push(block);
        rest = after;
    }
    Ok(blocks)
}

/// The block of which `begun` is all after its `-----BEGIN `, and what follows it.
fn block(begun: &[u8]) -> Result<(Block, &[u8]), &'static str> {
    const CUT: &str = "it begins but does not end, so that the file is truncated or damaged";
    let (label, rest) = cut(begun, b"-----").ok_or(CUT)?;
    let (body, rest) = cut(rest, b"-----END ").ok_or(CUT)?;
    if cut(body, b"-----BEGIN ").is_some() {
        return Err(CUT);
    }
    let rest = rest
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix(b"-----"))
        .ok_or("its first and last line differ")?;
    let label = match std::str::from_utf8(label) {
        Ok(label) if !label.is_empty() && !label.contains(char::is_control) => label.to_owned(),
        _ => return Err("its first line names no kind"),
    };
    let (headers, body) = headers(body);
    let packed: Zeroizing<Vec<u8>> = Zeroizing::new({
        let mut packed = Vec::with_capacity(body.len());
        packed.extend(body.iter().filter(|byte| !byte.is_ascii_whitespace()));
        packed
    });
    let mut der = Zeroizing::new(vec![0; packed.len() / 4 * 3 + 3]);
    let size = STANDARD
        .decode_slice(packed.as_slice(), &mut der)
        .map_err(|_| "what it holds is no base64")?;
    der.truncate(size);
    let block = Block {
        label,
        is_encrypted: cut(headers, b"ENCRYPTED").is_some(),
        der,
    };
    Ok((block, rest))
}

/// Headers end at the first blank line; without a colon before it there are none.
fn headers(body: &[u8]) -> (&[u8], &[u8]) {
    match cut(body, b"\n\n") {
        Some((headers, rest)) if headers.contains(&b':') => (headers, rest),
        _ => (b"", body),
    }
}

/// Before and after the first `mark`.
fn cut<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

/// Whether the label names a private key of any form, encrypted ones included.
pub(crate) fn is_private_key(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

/// One block as text: LF line ends, a newline at the end, so that two encoded
/// blocks can always be concatenated. Written once into memory of the right
/// size, because it may be a key, and growing would leave copies behind.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let packed = Zeroizing::new(STANDARD.encode(der));
    let frame = 2 * label.len() + "-----BEGIN -----\n-----END -----\n".len();
    let size = frame + packed.len() + packed.len().div_ceil(LINE);
    let mut text = String::with_capacity(size);
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    let mut rest = packed.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    for part in ["-----END ", label, "-----\n"] {
        text.push_str(part);
    }
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
        assert!(blocks.iter().all(|b| b.der() == BODY));
    }

    #[test]
    fn a_block_is_written_as_openssl_writes_it() {
        let text = encode("A", &[0; 60]);
        let lines: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lines, [17, 64, 16, 15]);
        assert!(text.ends_with("=\n-----END A-----\n") || text.ends_with("A\n-----END A-----\n"));
        assert_eq!(text.len(), text.capacity(), "it grew");
        assert_eq!(encode("A", &[]), "-----BEGIN A-----\n-----END A-----\n");
        for size in [1, 47, 48, 49, 96] {
            let der = vec![7; size];
            let text = encode("A", &der);
            assert_eq!(text.len(), text.capacity(), "{size}: it grew");
            assert_eq!(parse(text.as_bytes(), "it").unwrap()[0].der(), der);
        }
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
        let error = parse(text.as_bytes(), "ca.crt").err().unwrap().to_string();
        assert!(
            error.contains("ca.crt") && error.contains("truncated"),
            "{error}"
        );
    }

    #[test]
    fn blocks_that_a_reader_might_pass_over_are_errors() {
        let good = encode(CERTIFICATE, BODY);
        for (text, part) in [
            (good.replace("END CERTIFICATE", "END X"), "differ"),
            (good.replace("CERTIFICATE", ""), "no kind"),
            (good.replace("-----END", "----END"), "truncated"),
            (format!("-----BEGIN A-----\n{good}"), "truncated"),
            ("-----BEGIN ".to_owned(), "truncated"),
            (good.replace('=', ""), "base64"),
        ] {
            let error = parse(text.as_bytes(), "ca.crt").err().unwrap().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn headers_and_indentation_are_read() {
        let block = encode("K", BODY);
        let (first, rest) = block.split_once('\n').unwrap();
        let text = format!("{first}\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,1\n\n{rest}");
        let read = parse(text.as_bytes(), "it").unwrap().remove(0);
        assert!(read.is_encrypted() && read.der() == BODY);
        // As people copy it out of YAML.
        let text = block
            .lines()
            .map(|line| format!("    {line}\r\n"))
            .collect::<String>();
        let read = parse(text.as_bytes(), "it").unwrap().remove(0);
        assert!(!read.is_encrypted() && read.der() == BODY && read.label() == "K");
    }

    #[test]
    fn damaged_base64_is_an_error() {
        let text = encode(CERTIFICATE, BODY).replace("c29t", "c2!t");
        assert!(parse(text.as_bytes(), "ca.crt").is_err());
    }

    proptest::proptest! {
        /// Whatever happens to a file, each block that begins comes out, or an error does.
        #[test]
        fn damage_loses_no_block(
            hits in proptest::collection::vec((0..400_usize, 0..4_usize, 0..256_usize), 0..4),
        ) {
            let block = encode(CERTIFICATE, BODY);
            let mut text = format!("{block}between\r\n{block}{block}").into_bytes();
            for (at, cut, put) in hits {
                let at = at.min(text.len());
                let end = (at + cut).min(text.len());
                text.splice(at..end, [u8::try_from(put).unwrap()]);
            }
            let begun = text.windows(11).filter(|window| window == b"-----BEGIN ").count();
            if let Ok(blocks) = parse(&text, "it") {
                proptest::prop_assert_eq!(blocks.len(), begun);
            }
        }
    }
}
