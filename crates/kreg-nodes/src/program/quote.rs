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

/// A shell function `name` that prints `content`, which must end with a newline.
pub(super) fn printer(name: &str, content: &str) -> String {
    // Quoted, so nothing in it is expanded; the end mark is on no line of it.
    let mut mark = "KREG_END".to_owned();
    while content.lines().any(|line| line == mark) {
        mark.push('_');
    }
    format!(
        "# shellcheck disable=SC2317 # called by name\n{name}() {{\n  cat <<'{mark}'\n{content}{mark}\n}}\n"
    )
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
        fn a_shell_prints_contents_back(lines in prop::collection::vec("(KREG_END_?|[^\0\n\r]{0,20})", 0..6)) {
            let content: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let out = run(&format!("{}show", printer("show", &content)));
            prop_assert_eq!(String::from_utf8(out).unwrap(), content);
        }
    }
}
