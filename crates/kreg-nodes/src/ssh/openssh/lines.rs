//! The lines of OpenSSH's configuration, as readconf.c takes them apart.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::pattern::wildcard;
use super::{Folder, unusable};
use crate::transport::TransportErrorKind;

/// readconf.c, READCONF_MAX_DEPTH.
const MAX_DEPTH: usize = 16;

/// A line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// `file:line`.
    pub(super) at: String,
    /// In small letters.
    pub(super) keyword: String,
    pub(super) words: Vec<String>,
    /// Files that an `Include` brings in here.
    pub(super) included: Vec<Line>,
}

/// Reads a file and all that it includes. `None` if it is not there.
pub(super) fn read(
    file: &Path,
    folder: &Folder,
    depth: usize,
) -> Result<Option<Vec<Line>>, TransportErrorKind> {
    let name = file.display().to_string();
    if depth > MAX_DEPTH {
        return Err(unusable(&name, "too many files include each other"));
    }
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unusable(&name, e.to_string())),
    };
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        let Some((keyword, words)) = split(text).map_err(|why| unusable(&at, why))? else {
            continue;
        };
        let mut line = Line {
            at,
            keyword,
            words,
            included: Vec::new(),
        };
        if line.keyword == "include" {
            for pattern in &line.words {
                for file in folder.find(pattern) {
                    line.included
                        .extend(read(&file, folder, depth + 1)?.unwrap_or_default());
                }
            }
        }
        lines.push(line);
    }
    Ok(Some(lines))
}

/// Keyword and words of a line; `None` if it is empty or a comment.
fn split(line: &str) -> Result<Option<(String, Vec<String>)>, &'static str> {
    let line = line.trim_matches(|c| " \t\r\n\x0c".contains(c));
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line
        .find(|c: char| " \t\r\n=\"".contains(c))
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let words = words(rest)?;
    match words.is_empty() {
        true => Err("a keyword without a value"),
        false => Ok(Some((keyword.to_ascii_lowercase(), words))),
    }
}

/// misc.c, argv_split: quotes of both kinds, `\` before quotes, itself and blanks, and `#` where a
/// word begins ends the line.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| " \t".contains(*c)).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        loop {
            match chars.next() {
                None if quote.is_some() => return Err("a quote that does not end"),
                None => break,
                Some(' ' | '\t') if quote.is_none() => break,
                Some('\\') => match chars.peek() {
                    Some(&c) if "'\"\\".contains(c) || (c == ' ' && quote.is_none()) => {
                        word.push(c);
                        chars.next();
                    }
                    _ => word.push('\\'),
                },
                Some(c) if quote == Some(c) => quote = None,
                Some(c @ ('"' | '\'')) if quote.is_none() => quote = Some(c),
                Some(c) => word.push(c),
            }
        }
        words.push(word);
    }
}

impl Folder {
    /// The files that an `Include` names, in the order of their names.
    fn find(&self, pattern: &str) -> Vec<PathBuf> {
        let path = match pattern.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => self.includes.join(pattern),
        };
        let mut found = vec![PathBuf::new()];
        for part in &path {
            let name = part.to_string_lossy();
            if !name.contains(['*', '?']) {
                found.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            found = found
                .iter()
                .flat_map(|folder| matching(folder, &name))
                .collect();
        }
        found
    }
}

fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        // glob(7): a pattern finds no hidden file unless it says so.
        .filter(|name| name.starts_with('.') == pattern.starts_with('.'))
        .filter(|name| wildcard(pattern, name))
        .collect();
    names.sort();
    names.iter().map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_split_as_openssh_does() {
        let of = |text| split(text).unwrap();
        let line = |keyword: &str, words: &[&str]| {
            Some((
                keyword.to_owned(),
                words.iter().map(|&word| word.to_owned()).collect(),
            ))
        };
        assert_eq!(of("  # comment"), None);
        assert_eq!(of(" \t\r"), None);
        assert_eq!(of("Host a b # c"), line("host", &["a", "b"]));
        assert_eq!(of("HostName=x"), line("hostname", &["x"]));
        assert_eq!(of("HostName = x"), line("hostname", &["x"]));
        assert_eq!(of("User\t\"a b\""), line("user", &["a b"]));
        assert_eq!(of("IdentityFile id#1"), line("identityfile", &["id#1"]));
        assert_eq!(of(r"User a\ b\'"), line("user", &["a b'"]));
        for bad in ["Host", "User \"a", "User #x"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = split(&text);
        }
    }
}
