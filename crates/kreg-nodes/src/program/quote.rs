//! Values in shell text.

/// `text` as one shell word, whatever it holds (POSIX XCU 2.2.2: single quotes keep every
/// character; a single quote itself stands between two such).
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A pattern as one shell word in which only `*` keeps its meaning.
pub(super) fn quote_glob(pattern: &str) -> String {
    let parts: Vec<String> = pattern.split('*').map(quote).collect();
    parts.join("*")
}

/// A shell function `name` that prints `content`.
pub(super) fn printer(name: &str, content: &str) -> String {
    // Not a here-document: bash keeps those in files below /tmp, and dash 0.5.12 loses a byte of
    // UTF-8 where a line begins as the end mark does.
    let word = quote(content);
    format!("# shellcheck disable=SC2317 # called by name\n{name}() {{\n  printf '%s' {word}\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn run(script: &str) -> Vec<u8> {
        let out = Command::new("sh").args(["-c", script]).output().unwrap();
        assert!(out.status.success(), "{script}");
        out.stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_reads_words_back(text in "[^\0]{0,40}") {
            let out = run(&format!("printf '%s' {}", quote(&text)));
            prop_assert_eq!(out, text.as_bytes());
        }

        #[test]
        fn a_shell_prints_contents_back(lines in prop::collection::vec("[K'}]?[^\0\n\r]{0,20}", 0..6)) {
            let content: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let out = run(&format!("{}show", printer("show", &content)));
            prop_assert_eq!(out, content.as_bytes());
        }
    }
}
