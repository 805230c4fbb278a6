//! Texts of the libraries that talk like the program: with a flag of `kreg`, or a command. Those who use a library in a
//! program of their own have neither.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenTree};

use super::modules::{self, Module};
use super::tokens::{group, ident, inside, is_ident, is_punct};
use crate::failure::{Result, Tried as _};

/// Flags of other programs that `kreg` has too, as they are written.
const OF_OTHERS: &[&str] = &[
    "start containerd with a file of your own (`--config`)",
    "apt-get install --yes",
];

/// What people type.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// With their dashes.
    flags: BTreeSet<String>,
    commands: BTreeSet<String>,
}

impl Program {
    /// Read from the program's own sources, each of whose commands has a file.
    pub(super) fn of(workspace: &Path) -> Result<Self> {
        let source = workspace.join("crates/kreg-cli/src");
        let mut program = Self::default();
        for module in modules::of(&source.join("main.rs"))? {
            program.find_flags(&module.tokens);
        }
        let folder = source.join("commands");
        for entry in fs::read_dir(&folder).tried(|| format!("list {}", folder.display()))? {
            let path = entry.tried(|| format!("list {}", folder.display()))?.path();
            let name = path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned());
            program.commands.extend(name.filter(|name| name != "mod"));
        }
        Ok(program)
    }

    /// `#[arg(long)] name: …` and `#[arg(long = "name")]`.
    fn find_flags(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            let Some(inside) = inside(token) else {
                continue;
            };
            let of_arg = inside.first().is_some_and(|one| is_ident(one, "arg"));
            let words = inside
                .get(1)
                .and_then(|words| group(words, Delimiter::Parenthesis));
            if let (true, Some(words)) = (of_arg, words)
                && let Some(long) = words.iter().position(|word| is_ident(word, "long"))
            {
                let named = match words.get(long + 1) {
                    Some(equals) if is_punct(equals, '=') => words.get(long + 2).and_then(text),
                    _ => field(&tokens[at + 1..]),
                };
                let flag = |name: String| format!("--{}", name.replace('_', "-"));
                self.flags.extend(named.map(flag));
            }
            self.find_flags(&inside);
        }
    }

    fn is_named_by(&self, text: &str) -> bool {
        let text = OF_OTHERS
            .iter()
            .fold(text.to_owned(), |text, other| text.replace(other, ""));
        let in_word =
            |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.' || c == '/';
        let words: Vec<&str> = text.split(|c| !in_word(c)).collect();
        let flag = words
            .iter()
            .any(|word| self.flags.contains(word.trim_end_matches(['.', '-'])));
        // One blank between both, as it is typed.
        flag || self.commands.iter().any(|command| {
            let typed = format!("kreg {command}");
            text.match_indices(&typed).any(|(at, typed)| {
                let (before, after) = (
                    text[..at].chars().last(),
                    text[at + typed.len()..].chars().next(),
                );
                !before.is_some_and(in_word) && !after.is_some_and(|c| c.is_ascii_alphanumeric())
            })
        })
    }
}

/// The field that follows further attributes.
fn field(tokens: &[TokenTree]) -> Option<String> {
    let colon = tokens.iter().position(|token| is_punct(token, ':'))?;
    ident(tokens.get(colon.checked_sub(1)?)?)
}

/// The texts in these modules that name a flag or a command.
pub(super) fn said(modules: &[Module], program: &Program) -> Vec<String> {
    fn look(tokens: &[TokenTree], program: &Program, found: &mut Vec<String>) {
        for token in tokens {
            match inside(token) {
                Some(inside) => look(&inside, program, found),
                None => found.extend(text(token).filter(|text| program.is_named_by(text))),
            }
        }
    }
    let mut all = Vec::new();
    for module in modules {
        let mut found = Vec::new();
        look(&module.tokens, program, &mut found);
        let file = module.file.display();
        all.extend(found.iter().map(|text| format!("{file}: {text}")));
    }
    all
}

/// What stands between the quotes of a text, on one line.
fn text(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let written = literal.to_string();
    let (start, end) = (written.find('"')?, written.rfind('"')?);
    let words: Vec<&str> = written.get(start + 1..end)?.split_whitespace().collect();
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tokens;

    #[test]
    fn flags_and_commands_of_kreg_are_seen_and_those_of_others_are_not() {
        let mut program = Program::default();
        program.commands.insert("up".to_owned());
        let fields = "struct A { #[arg(long)] #[x] pub(crate) delete_data: bool, #[arg(short, long = \"san\")] b: u8, #[arg(short)] c: u8 }";
        program.find_flags(&tokens::of(fields).unwrap());
        assert_eq!(Vec::from_iter(&program.flags), ["--delete-data", "--san"]);
        for text in [
            "run `kreg up`",
            "kreg up again",
            "give --delete-data.",
            "(--san NAME)",
        ] {
            assert!(program.is_named_by(text), "{text}");
        }
        for text in [
            "kreg upholds",
            "`kubectl get --show`",
            "--sand",
            "my-kreg up",
            "kreg's up",
            "kreg",
        ] {
            assert!(!program.is_named_by(text), "{text}");
        }
    }

    #[test]
    fn texts_in_macros_count_and_those_of_tests_do_not() {
        let program = Program {
            commands: BTreeSet::from(["up".to_owned()]),
            ..Program::default()
        };
        let source = "/// kreg up\nfn f() { format!(\"run \\\n kreg up {}\", 1) } #[cfg(test)] mod t { const X: &str = \"kreg up\"; }";
        let module = Module {
            path: Vec::new(),
            file: "f".into(),
            tokens: tokens::of(source).unwrap(),
        };
        let said = said(&[module], &program);
        assert_eq!(said.len(), 1, "{said:?}");
    }
}
