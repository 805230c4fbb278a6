//! What the program says of itself: help, completions and the manual page, all made from one definition.

use std::path::Path;

use crate::commands::{ALL, leads_on};
use crate::sandbox::Sandbox;

/// Columns that the help takes at most where the terminal's width is not known.
const WIDTH: usize = 100;

#[test]
fn the_help_of_every_command_fits_and_ends_well() {
    let sandbox = Sandbox::new();
    for (words, help) in ALL.iter() {
        let usage = format!("Usage: kreg {}", words.join(" "));
        assert!(help.contains(usage.trim_end()), "{words:?}: {help}");
        let (first, _) = help.split_once('\n').unwrap();
        assert!(!first.is_empty() && !first.starts_with("Usage"), "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= WIDTH, "{words:?}: {line}");
        }
        // Shorter, and the same by the other way.
        let words = words.iter().map(String::as_str);
        let short = sandbox.answer(&mut sandbox.kreg(words.clone().chain(["-h"])));
        assert!(short.contains(usage.trim_end()), "{short}");
        let asked = ["help"].into_iter().chain(words);
        assert_eq!(&sandbox.answer(&mut sandbox.kreg(asked)), help);
    }
}

#[test]
fn a_command_that_only_leads_to_others_shows_them_and_ends_with_2() {
    let sandbox = Sandbox::new();
    // doctor does something by itself.
    let leading = ALL
        .iter()
        .filter(|(words, help)| leads_on(help) && *words != &["doctor"]);
    let leading: Vec<_> = leading.map(|(words, _)| words).collect();
    assert!(leading.len() > 5, "{leading:?}");
    for words in leading {
        let command = &mut sandbox.kreg(words.iter().map(String::as_str));
        sandbox.refused(command, &["Commands:", "Usage: kreg"]);
    }
}

#[test]
fn the_version_is_one_line() {
    let sandbox = Sandbox::new();
    let version = concat!("kreg ", env!("CARGO_PKG_VERSION"), "\n");
    for word in ["--version", "-V"] {
        assert_eq!(sandbox.answer(&mut sandbox.kreg([word])), version);
    }
}

#[test]
fn every_shell_gets_completions_for_every_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.answer(&mut sandbox.kreg(["completions", shell]));
        for name in ALL.keys().filter_map(|words| words.last()) {
            assert!(script.contains(name.as_str()), "{shell}: {name}");
        }
        assert!(script.contains("password-file"), "{shell}");
        if shell == "bash" {
            let mut bash = sandbox.program(Path::new("bash"));
            sandbox.answer(bash.arg("-n").write_stdin(script));
        }
    }
    sandbox.refused(&mut sandbox.kreg(["completions", "cmd"]), &["cmd", "zsh"]);
}

#[test]
fn the_manual_page_has_every_command() {
    let sandbox = Sandbox::new();
    let page = sandbox.answer(&mut sandbox.kreg(["man"]));
    assert!(page.contains(".TH kreg 1"), "{page}");
    for words in ALL.keys() {
        if let [name] = words.as_slice() {
            assert!(page.contains(&format!("\nkreg\\-{name}(1)\n")), "{name}");
        }
    }
}

#[test]
fn the_exit_codes_of_the_help_are_those_of_the_readme() {
    let help = ALL[&Vec::new()]
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let (_, codes) = help.split_once("Exit codes: ").expect("exit codes");
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, table) = readme.split_once("| code | meaning |").expect("a table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows.filter_map(|row| row.split('|').nth(1)).collect();
    let listed = codes.trim_end_matches('.').split(", ");
    let listed: Vec<&str> = listed.filter_map(|code| code.split(' ').next()).collect();
    let rows: Vec<&str> = rows.iter().map(|row| row.trim()).collect();
    assert_eq!((rows.len(), rows), (6, listed));
}
