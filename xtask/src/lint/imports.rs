//! Files that import each other in a circle: none of them can be read, tested or moved without the others.
//!
//! cargo-modules finds circles too, but refuses also those of a file and its own child, which do no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::TokenTree;

use super::modules::Module;
use super::tokens::{ident, inside, is_ident, is_punct};

/// A path, word by word.
type Words = Vec<String>;
/// Which file imports which.
type Imports<'a> = BTreeMap<&'a Path, BTreeSet<&'a Path>>;

/// Each file in a cycle of more than two, with the files of its cycles that it imports.
pub(super) fn cyclic(modules: &[Module]) -> Vec<String> {
    let imports = imports(modules);
    let line = |(from, all): (&&Path, &BTreeSet<&Path>)| {
        let back = all.iter().filter(|to| leads_back(&imports, to, from));
        let back: Words = back.map(|file| file.display().to_string()).collect();
        (!back.is_empty()).then(|| format!("{} imports {}", from.display(), back.join(", ")))
    };
    imports.iter().filter_map(line).collect()
}

/// Whether a path of two or more imports leads from `start` to `end`.
fn leads_back(imports: &Imports<'_>, start: &Path, end: &Path) -> bool {
    let mut seen = BTreeSet::from([start]);
    let mut next = vec![start];
    while let Some(file) = next.pop() {
        let all = imports.get(file).into_iter().flatten().copied();
        let all = all.filter(|to| file != start || *to != end);
        next.extend(all.filter(|to| seen.insert(to)));
    }
    seen.contains(end)
}

fn imports(modules: &[Module]) -> Imports<'_> {
    let scopes = modules
        .iter()
        .map(|module| (module.path.as_slice(), Scope::of(module)));
    let scopes: BTreeMap<&[String], Scope<'_>> = scopes.collect();
    let mut imports: Imports<'_> = modules
        .iter()
        .map(|module| (module.file.as_path(), BTreeSet::new()))
        .collect();
    for (at, scope) in &scopes {
        let shown_only = |name: &String| scope.shown.contains(name) && !scope.words.contains(name);
        let names = scope.names.iter().filter(|(name, _)| !shown_only(name));
        let used = names.map(|(_, path)| path).chain(&scope.paths);
        let found = used.filter_map(|path| file(&scopes, at, path, true, 0));
        let others = found.filter(|file| *file != scope.file);
        imports.entry(scope.file).or_default().extend(others);
    }
    imports
}

/// The file that a path leads to, through modules and what they have by `use`; none for other crates.
fn file<'a>(
    scopes: &BTreeMap<&[String], Scope<'a>>,
    at: &[String],
    path: &[String],
    first: bool,
    depth: usize,
) -> Option<&'a Path> {
    let scope = scopes.get(at)?;
    let Some((word, rest)) = path.split_first() else {
        return Some(scope.file);
    };
    match word.as_str() {
        "crate" => return file(scopes, &[], rest, false, depth),
        "self" => return file(scopes, at, rest, false, depth),
        "super" => return file(scopes, at.split_last()?.1, rest, false, depth),
        _ => {}
    }
    let child: Words = at.iter().chain([word]).cloned().collect();
    if scopes.contains_key(child.as_slice()) {
        return file(scopes, &child, rest, false, depth);
    }
    let known = scope
        .names
        .iter()
        .find(|(name, _)| name == word && depth < 16);
    match known {
        Some((_, path)) => {
            let path: Words = path.iter().chain(rest).cloned().collect();
            file(scopes, at, &path, true, depth + 1)
        }
        None => (!first).then_some(scope.file),
    }
}

/// What a module names.
struct Scope<'a> {
    file: &'a Path,
    /// Names that it has by `use`, with their paths.
    names: Vec<(String, Words)>,
    /// Names among these that it shows to others by `pub use`: it may not use them itself.
    shown: BTreeSet<String>,
    /// Other paths in its code.
    paths: Vec<Words>,
    /// All other words of its code.
    words: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    fn of(module: &'a Module) -> Self {
        let mut scope = Scope {
            file: &module.file,
            names: Vec::new(),
            shown: BTreeSet::new(),
            paths: Vec::new(),
            words: BTreeSet::new(),
        };
        scope.code(&module.tokens);
        scope
    }

    fn code(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            if is_ident(token, "use") {
                let rest = &tokens[at..];
                let end = rest.iter().position(|token| is_punct(token, ';'));
                let end = end.unwrap_or(rest.len());
                let known = self.names.len();
                self.uses(&[], &rest[..end]);
                if is_public(&tokens[..at - 1]) {
                    let new = self.names[known..].iter().map(|(name, _)| name.clone());
                    self.shown.extend(new);
                }
                at += end;
            } else if let Some(word) = ident(token) {
                self.words.insert(word.clone());
                let mut path = vec![word];
                while let [one, two, next, ..] = &tokens[at..]
                    && is_punct(one, ':')
                    && is_punct(two, ':')
                    && let Some(word) = ident(next)
                {
                    path.push(word);
                    at += 3;
                }
                if path.len() > 1 {
                    self.paths.push(path);
                }
            } else if let Some(inside) = inside(token) {
                self.code(&inside);
            }
        }
    }

    /// `a::{b, c as d, self}`, as far as words and groups go.
    fn uses(&mut self, before: &[String], tree: &[TokenTree]) {
        // What follows the last comma is nothing.
        let all = tree.split(|token| is_punct(token, ','));
        for one in all.filter(|one| !one.is_empty()) {
            let mut path = before.to_vec();
            path.extend(one.iter().filter_map(ident).take_while(|word| word != "as"));
            if let Some(group) = one.last().and_then(inside) {
                self.uses(&path, &group);
                continue;
            }
            path.pop_if(|word| word == "self" && !before.is_empty());
            let renamed = one.iter().position(|token| is_ident(token, "as"));
            let renamed = renamed.and_then(|at| one.get(at + 1)).and_then(ident);
            if let Some(name) = renamed.or_else(|| path.last().cloned()) {
                self.names.push((name, path));
            }
        }
    }
}

/// Whether what follows these tokens is `pub`, or `pub` for some.
fn is_public(before: &[TokenTree]) -> bool {
    let last = match before {
        [.., one, TokenTree::Group(_)] | [.., one] => one,
        [] => return false,
    };
    is_ident(last, "pub")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tokens;

    /// A crate of files `(module, text)`; each module is a file of its name.
    fn modules(files: &[(&str, &str)]) -> Vec<Module> {
        let module = |(name, text): &(&str, &str)| Module {
            path: name
                .split("::")
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            file: if name.is_empty() {
                "lib".into()
            } else {
                (*name).into()
            },
            tokens: tokens::of(text).unwrap(),
        };
        files.iter().map(module).collect()
    }

    /// What the file `a` imports.
    fn of_a(text: &str) -> Words {
        let rest = [
            ("", "pub use b::Other; use std::fmt;"),
            ("b", ""),
            ("b::c", ""),
            ("d", "use crate::b::c::In;"),
        ];
        let all = modules(&[rest.as_slice(), &[("a", text), ("a::e", "")]].concat());
        let all = imports(&all);
        all[Path::new("a")]
            .iter()
            .map(|file| file.display().to_string())
            .collect()
    }

    #[test]
    fn every_form_of_a_path_is_read() {
        for (text, wanted) in [
            ("use crate::b::X;", ["b"].as_slice()),
            ("use crate::b::{self, c::{D as E, F}};", &["b", "b::c"]),
            ("use crate::{b::c::*, d};", &["b::c", "d"]),
            ("use super::d::X as _;", &["d"]),
            ("use self::e::X; use e::Y;", &["a::e"]),
            ("fn f() { e::g(); crate::d::h() }", &["a::e", "d"]),
            ("fn f() { use crate::d; d::h() }", &["d"]),
            ("fn f() { format!(\"{}\", crate::b::c::X) }", &["b::c"]),
            (
                "pub use d::X; pub(crate) use crate::b::{Y, c::Z}; fn f(z: Z) {}",
                &["b::c"],
            ),
            // Where it is, not where it is shown.
            ("use crate::Other;", &["b"]),
            ("use super::d::In;", &["b::c"]),
            ("use crate::Own;", &["lib"]),
            ("use crate::fmt;", &[]),
            ("use std::fmt; use b::X; fn f() { b::g() }", &[]),
            (
                "// use crate::b;\n/// crate::d\nconst X: &str = \"crate::d::X\";",
                &[],
            ),
            ("#[cfg(test)] mod tests { use crate::b::X; }", &[]),
        ] {
            assert_eq!(of_a(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_cycle_of_three_is_found_and_one_of_two_is_not() {
        let two = [
            ("x", "use crate::y::A;"),
            ("y", "use crate::x::B; use crate::z::C;"),
            ("z", "use crate::y::A;"),
        ];
        assert!(cyclic(&modules(&[&[("", "")], two.as_slice()].concat())).is_empty());
        let three = [
            ("", ""),
            ("x", "use crate::y::A;"),
            ("y", "use crate::z::B;"),
            ("z", "use crate::x::C;"),
            ("w", "use crate::x::C;"),
        ];
        let found = cyclic(&modules(&three));
        assert_eq!(found, ["x imports y", "y imports z", "z imports x"]);
    }
}
