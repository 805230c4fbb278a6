//! One line of an htpasswd file, read as the registry reads it.

use std::ops::Range;

/// What the registry sees in a line (distribution, `htpasswd.go`, `parseHTPasswd`): white
/// space at both ends goes, blank lines and `#` lines are skipped, the first `:` ends the name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Blank,
    Comment,
    Entry(Entry<'a>),
    /// No `:`; the registry refuses the whole file.
    Broken,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) user: &'a [u8],
    /// All that follows the name, as the registry takes it.
    pub(super) hash: &'a [u8],
    /// Where the hash stands in the raw line, up to a second `:` that Apache would end it at.
    pub(super) hash_range: Range<usize>,
}

impl<'a> Line<'a> {
    pub(super) fn read(raw: &'a [u8]) -> Line<'a> {
        let (start, text) = trim(raw);
        if text.is_empty() {
            return Line::Blank;
        }
        if text.starts_with(b"#") {
            return Line::Comment;
        }
        let Some(colon) = text.iter().position(|byte| *byte == b':') else {
            return Line::Broken;
        };
        let (user, hash) = (&text[..colon], &text[colon + 1..]);
        let end = hash.iter().position(|byte| *byte == b':');
        let hash_start = start + colon + 1;
        Line::Entry(Entry {
            user,
            hash,
            hash_range: hash_start..hash_start + end.unwrap_or(hash.len()),
        })
    }
}

/// The line's text without white space at its ends, and where it starts. Unicode's white
/// space, as Go's `strings.TrimSpace`; ASCII's only where the line is not UTF-8.
fn trim(raw: &[u8]) -> (usize, &[u8]) {
    let trimmed = match std::str::from_utf8(raw) {
        Ok(text) => {
            let start = text.len() - text.trim_start().len();
            return (start, text.trim().as_bytes());
        }
        Err(_) => raw.trim_ascii_end(),
    };
    let text = trimmed.trim_ascii_start();
    (trimmed.len() - text.len(), text)
}

/// The line end that stands at the end of the raw line: `\r\n`, `\n` or nothing.
pub(super) fn line_end(raw: &[u8]) -> &[u8] {
    if raw.ends_with(b"\r\n") {
        b"\r\n"
    } else if raw.ends_with(b"\n") {
        b"\n"
    } else {
        b""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_the_registry_reads_them() {
        assert_eq!(Line::read(b" \t\r\n"), Line::Blank);
        assert_eq!(Line::read(b"  # u:h\n"), Line::Comment);
        assert_eq!(Line::read(b"nothing\n"), Line::Broken);
        let Line::Entry(entry) = Line::read(b" u s:h:note \r\n") else {
            panic!("no entry");
        };
        assert_eq!((entry.user, entry.hash), (&b"u s"[..], &b"h:note"[..]));
        assert_eq!(&b" u s:h:note \r\n"[entry.hash_range], b"h");
        let Line::Entry(entry) = Line::read(b"\tu\xff:h \n") else {
            panic!("no entry");
        };
        assert_eq!((entry.user, entry.hash), (&b"u\xff"[..], &b"h"[..]));
        assert_eq!(entry.hash_range, 4..5);
    }
}
