//! Every command of the program, found by its own help.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::sandbox::Sandbox;

/// The words of each command with its help, those that only lead to others included; `kreg` itself has no words.
pub(crate) static ALL: LazyLock<BTreeMap<Vec<String>, String>> = LazyLock::new(|| {
    let sandbox = Sandbox::new();
    let mut found = BTreeMap::new();
    let mut ahead = vec![Vec::new()];
    while let Some(words) = ahead.pop() {
        let arguments = words.iter().map(String::as_str).chain(["--help"]);
        let help = sandbox.answer(&mut sandbox.kreg(arguments));
        ahead.extend(below(&help).map(|name| [words.as_slice(), &[name]].concat()));
        found.insert(words, help);
    }
    assert!(found.len() > 30, "{:?}", found.keys());
    found
});

/// Whether a command with this help has commands of its own.
pub(crate) fn leads_on(help: &str) -> bool {
    below(help).next().is_some()
}

/// The names below `Commands:`; `help` is clap's own.
fn below(help: &str) -> impl Iterator<Item = String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
}
