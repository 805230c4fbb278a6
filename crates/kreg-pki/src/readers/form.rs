//! What is unusual about the form of a PEM file, for people: where and what.

use std::fmt;

/// Something on a line that one reader or the other stumbles over (RFC 7468 has nothing of it).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oddity {
    /// Line number, from 1. Lines end with LF, CRLF or CR.
    pub line: usize,
    /// What is there, in words.
    pub what: &'static str,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Characters of base64 in a line (RFC 7468 section 2).
const LINE: usize = 64;

/// The first of each kind of oddity, in file order. Says nothing about what lies outside of blocks.
#[must_use]
pub fn oddities(pem: &[u8]) -> Vec<Oddity> {
    if pem.starts_with(b"\xff\xfe") || pem.starts_with(b"\xfe\xff") {
        let what = "it is UTF-16 text";
        return vec![Oddity { line: 1, what }];
    }
    let mut found: Vec<Oddity> = Vec::new();
    let mut is_inside = false;
    for (number, (line, is_cr)) in lines(pem).enumerate() {
        let mut note = |what| {
            if found.iter().all(|one| one.what != what) {
                found.push(Oddity {
                    line: number + 1,
                    what,
                });
            }
        };
        let begins = position(line, BEGIN);
        let ends = position(line, END);
        if is_cr && (is_inside || begins.is_some()) {
            note("it ends with a carriage return alone");
        }
        match (begins, ends) {
            (Some(begin), Some(end)) if end < begin => {
                note("a block ends and the next one begins on the same line");
            }
            _ => {
                if let Some(at) = begins.or(ends).filter(|at| *at > 0) {
                    note(before(&line[..at], begins.is_some()));
                }
            }
        }
        if let Some(at) = begins.or(ends) {
            match close(&line[at..]) {
                Some(label) if begins.is_some() => kind(label, &mut note),
                Some(_) => {}
                None if begins.is_some() => note("the BEGIN line does not end with five dashes"),
                None if ends > begins => note("the END line does not end with five dashes"),
                None => {}
            }
            is_inside = begins > ends;
        } else if is_inside {
            inside(line, &mut note);
        }
    }
    if is_inside {
        found.push(Oddity {
            line: lines(pem).count(),
            what: "the last block does not end",
        });
    }
    found
}

fn before(text: &[u8], is_begin: bool) -> &'static str {
    let is_space = text.iter().all(u8::is_ascii_whitespace);
    match (is_begin, is_space) {
        (true, true) => "the BEGIN line is indented",
        (false, true) => "the END line is indented",
        (true, false) if text == BOM => "a byte order mark stands before BEGIN",
        (true, false) => "text stands before BEGIN",
        (false, false) => "text stands before END",
    }
}

/// The label, if the line ends after it as it should.
fn close(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_end().strip_suffix(DASHES)?;
    let label = line.strip_prefix(BEGIN).or(line.strip_prefix(END))?;
    (position(label, DASHES).is_none() && !label.ends_with(b"-")).then_some(label)
}

fn kind(label: &[u8], note: &mut impl FnMut(&'static str)) {
    match label {
        b"TRUSTED CERTIFICATE" => note("a TRUSTED CERTIFICATE, which OpenSSL alone reads"),
        b"X509 CERTIFICATE" => note("an X509 CERTIFICATE, which OpenSSL alone reads"),
        _ => {}
    }
}

fn inside(line: &[u8], note: &mut impl FnMut(&'static str)) {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let bare = line.trim_ascii();
    if bare.is_empty() {
        note("a blank line within a block");
    } else if bare.contains(&b':') {
        note("a header within a block");
    } else if position(line, BOM).is_some() {
        note("a byte order mark within a block");
    } else if !bare.iter().all(is_base64) {
        note("characters within a block that are not base64");
    } else if bare.len() < line.trim_ascii_end().len() {
        note("base64 is indented");
    } else if bare.len() > LINE {
        note("a line of more than 64 characters of base64");
    }
}

/// Each line without its end, and whether that is a carriage return alone.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, tail) = rest.split_at(at.unwrap_or(rest.len()));
        let after = tail
            .strip_prefix(b"\r\n")
            .or(tail.strip_prefix(b"\n"))
            .or(tail.strip_prefix(b"\r"))
            .unwrap_or_default();
        rest = after;
        Some((line, tail.starts_with(b"\r") && !tail.starts_with(b"\r\n")))
    })
}

/// Where the last `mark` of a line is.
fn position(line: &[u8], mark: &[u8]) -> Option<usize> {
    line.windows(mark.len()).rposition(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

    fn said(text: &str) -> Vec<String> {
        oddities(text.as_bytes())
            .iter()
            .map(Oddity::to_string)
            .collect()
    }

    #[test]
    fn what_is_written_as_it_should_be_is_not_odd() {
        let crlf = PEM.replace('\n', "\r\n");
        for text in [
            "",
            PEM,
            PEM.trim_end(),
            &crlf,
            &format!("a: b\n\n  c\n{PEM}\n\nd\n{PEM}"),
        ] {
            assert_eq!(said(text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn each_oddity_is_named_with_its_line() {
        let indented: String = PEM.lines().map(|line| format!("  {line}\n")).collect();
        for (text, wanted) in [
            (
                format!("\u{feff}{PEM}"),
                vec!["line 1: a byte order mark stands before BEGIN"],
            ),
            (
                format!("text{PEM}"),
                vec!["line 1: text stands before BEGIN"],
            ),
            (
                indented,
                vec![
                    "line 1: the BEGIN line is indented",
                    "line 2: base64 is indented",
                    "line 3: the END line is indented",
                ],
            ),
            (
                format!("{}{PEM}", PEM.trim_end()),
                vec!["line 3: a block ends and the next one begins on the same line"],
            ),
            (
                PEM.replace('\n', "\r"),
                vec!["line 1: it ends with a carriage return alone"],
            ),
            (
                PEM.replace("MAo=", "X: y\n\nMA!="),
                vec![
                    "line 2: a header within a block",
                    "line 3: a blank line within a block",
                    "line 4: characters within a block that are not base64",
                ],
            ),
            (
                PEM.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
                vec!["line 1: a TRUSTED CERTIFICATE, which OpenSSL alone reads"],
            ),
            (
                PEM.replace("END", "EDN"),
                vec![
                    "line 3: characters within a block that are not base64",
                    "line 3: the last block does not end",
                ],
            ),
            (
                PEM.replace("-----\nMAo", "----\nMAo"),
                vec!["line 1: the BEGIN line does not end with five dashes"],
            ),
        ] {
            assert_eq!(said(&text), wanted, "{text:?}");
        }
    }
}
