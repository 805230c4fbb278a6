//! kreg's block in `/etc/hosts`, edited as bytes.
//!
//! The node program edits the file itself, so that the plan need not know what is in it;
//! this is the same edit, for showing and judging it beforehand. Both are compared in tests.

use std::net::IpAddr;

use crate::InstanceId;

/// The system's table of names (hosts(5)).
pub const HOSTS: &str = "/etc/hosts";

/// A managed block: its markers and the lines between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    begin: String,
    end: String,
    lines: Vec<String>,
}

/// Why a file's markers cannot be made sense of. Guessing would delete others' lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkerError {
    /// A `BEGIN` line follows another without an `END` between.
    #[error("a block begins within a block")]
    Nested,
    /// An `END` line without `BEGIN`.
    #[error("a block ends that did not begin")]
    NotBegun,
    /// A `BEGIN` line without `END`.
    #[error("a block does not end")]
    NotEnded,
}

impl Block {
    /// The block that maps `name` to `address` for `instance`.
    #[must_use]
    pub fn new(instance: &InstanceId, address: IpAddr, name: &str) -> Block {
        Block {
            begin: format!("# BEGIN kreg {instance}"),
            end: format!("# END kreg {instance}"),
            lines: vec![format!("{address} {name}")],
        }
    }

    /// The block as text, markers included, each line ended by `\n`.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = std::iter::once(&self.begin)
            .chain(&self.lines)
            .chain([&self.end]);
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    /// `file` with this block in it, at the end unless it was there already, and with no
    /// other of this instance. A missing last newline is added before it; the carriage
    /// returns of a file that has them are kept.
    ///
    /// # Errors
    /// [`MarkerError`] if the markers in `file` are broken.
    pub fn put(&self, file: &[u8]) -> Result<Vec<u8>, MarkerError> {
        let split = self.split(file)?;
        if split.blocks == 1 && split.block == self.text().as_bytes() {
            return Ok(file.to_vec());
        }
        let mut out = split.rest;
        // Only the newline is missing: a carriage return, if the file has them, is there.
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        let eol: &[u8] = match out.ends_with(b"\r\n") {
            true => b"\r\n",
            false => b"\n",
        };
        for line in self.text().lines() {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(eol);
        }
        Ok(out)
    }

    /// `file` without any block of this instance.
    ///
    /// # Errors
    /// [`MarkerError`] if the markers in `file` are broken.
    pub fn strip(&self, file: &[u8]) -> Result<Vec<u8>, MarkerError> {
        Ok(self.split(file)?.rest)
    }

    fn split(&self, file: &[u8]) -> Result<Split, MarkerError> {
        let mut split = Split::default();
        let mut inside = false;
        for line in file.split_inclusive(|&b| b == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let bare = text.strip_suffix(b"\r").unwrap_or(text);
            if bare == self.begin.as_bytes() {
                if inside {
                    return Err(MarkerError::Nested);
                }
                inside = true;
                split.blocks += 1;
                split.block.clear();
            }
            let ends = bare == self.end.as_bytes();
            if inside {
                split.block.extend_from_slice(bare);
                split.block.push(b'\n');
            } else if ends {
                return Err(MarkerError::NotBegun);
            } else {
                split.rest.extend_from_slice(line);
            }
            inside &= !ends;
        }
        match inside {
            true => Err(MarkerError::NotEnded),
            false => Ok(split),
        }
    }
}

#[derive(Default)]
struct Split {
    /// The last block, carriage returns taken off.
    block: Vec<u8>,
    blocks: usize,
    rest: Vec<u8>,
}

/// The addresses that lines outside kreg's block give to `name`, other than `address`.
#[must_use]
pub fn other_addresses(file: &[u8], name: &str, address: IpAddr) -> Vec<String> {
    let text = String::from_utf8_lossy(file);
    let mut others = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(at) = words.next() else { continue };
        let same = at.parse::<IpAddr>().is_ok_and(|ip| ip == address);
        if !same && words.any(|word| word.eq_ignore_ascii_case(name)) {
            others.push(at.to_owned());
        }
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn block(address: &str) -> Block {
        let id = InstanceId::new("r").unwrap();
        Block::new(&id, address.parse().unwrap(), "docker-registry")
    }

    const TEXT: &str = "# BEGIN kreg r\n10.96.0.50 docker-registry\n# END kreg r\n";

    #[rstest]
    #[case::empty("", "")]
    #[case::usual("127.0.0.1 localhost\n", "127.0.0.1 localhost\n")]
    #[case::no_newline("127.0.0.1 localhost", "127.0.0.1 localhost\n")]
    #[case::others_marker(
        "# BEGIN kreg rr\n1.2.3.4 x\n# END kreg rr\n",
        "# BEGIN kreg rr\n1.2.3.4 x\n# END kreg rr\n"
    )]
    fn appends(#[case] file: &str, #[case] rest: &str) {
        let put = block("10.96.0.50").put(file.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(put).unwrap(), format!("{rest}{TEXT}"));
    }

    #[rstest]
    #[case::ended(b"127.0.0.1 localhost\r\n")]
    #[case::half_ended(b"127.0.0.1 localhost\r")]
    fn keeps_carriage_returns(#[case] file: &[u8]) {
        let put = block("10.96.0.50").put(file).unwrap();
        let wanted = format!("127.0.0.1 localhost\n{TEXT}").replace('\n', "\r\n");
        assert_eq!(String::from_utf8(put).unwrap(), wanted);
    }

    #[rstest]
    #[case(MarkerError::NotEnded, "# BEGIN kreg r\n10.0.0.1 x\n")]
    #[case(MarkerError::NotBegun, "# END kreg r\n")]
    #[case(MarkerError::Nested, "# BEGIN kreg r\n# BEGIN kreg r\n# END kreg r\n")]
    fn guesses_nothing(#[case] error: MarkerError, #[case] file: &str) {
        assert_eq!(block("10.96.0.50").put(file.as_bytes()), Err(error));
        assert_eq!(block("10.96.0.50").strip(file.as_bytes()), Err(error));
    }

    #[test]
    fn sees_lines_that_win_over_its_own() {
        let file = b"10.0.0.9 a docker-registry # x\n#1.1.1.1 docker-registry\n10.96.0.50 docker-registry\n";
        let ip = "10.96.0.50".parse().unwrap();
        assert_eq!(other_addresses(file, "docker-registry", ip), ["10.0.0.9"]);
    }

    proptest! {
        #[test]
        fn putting_and_stripping_keep_the_rest(lines in prop::collection::vec("[ -~\t\r]{0,30}", 0..8), end: bool) {
            prop_assume!(lines.iter().all(|line| !line.contains("kreg r")));
            let mut file = lines.join("\n").into_bytes();
            if end && !file.is_empty() { file.push(b'\n'); }
            let (one, two) = (block("10.96.0.50"), block("10.96.0.51"));
            let put = one.put(&file).unwrap();
            prop_assert_eq!(one.put(&put).unwrap(), put.clone(), "twice is once");
            let moved = two.put(&put).unwrap();
            prop_assert_eq!(moved.windows(14).filter(|w| w == b"# BEGIN kreg r").count(), 1);
            let rest = two.strip(&moved).unwrap();
            let mut padded = file.clone();
            padded.push(b'\n');
            prop_assert!(rest == file || rest == padded);
        }
    }
}
