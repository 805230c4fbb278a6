//! The modules of a program or a library, each with its own tokens.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenTree};

use super::tokens::{self, group, ident, is_ident, is_punct};
use crate::failure::{Failure, Result, Tried as _};

/// A module: a file, or a part of one.
#[derive(Debug)]
pub(super) struct Module {
    /// Its names from the root of the crate on.
    pub(super) path: Vec<String>,
    pub(super) file: PathBuf,
    /// Without those of modules in it.
    pub(super) tokens: Vec<TokenTree>,
}

/// All modules that hang on this first file.
pub(super) fn of(root: &Path) -> Result<Vec<Module>> {
    let mut found = Vec::new();
    let folder = root.parent().unwrap_or(Path::new("")).to_owned();
    let file = root.to_owned();
    read(Vec::new(), file, &folder, &mut found)?;
    Ok(found)
}

/// A module with a file of its own; modules in it have theirs in `folder`.
fn read(path: Vec<String>, file: PathBuf, folder: &Path, found: &mut Vec<Module>) -> Result<()> {
    let text = std::fs::read_to_string(&file).tried(|| format!("read {}", file.display()))?;
    let all = tokens::of(&text)
        .map_err(|failure| Failure::new(format!("understand {}", file.display()), failure))?;
    take(path, file, folder, all, found)
}

fn take(
    path: Vec<String>,
    file: PathBuf,
    folder: &Path,
    all: Vec<TokenTree>,
    found: &mut Vec<Module>,
) -> Result<()> {
    let mut own = Vec::new();
    let mut all = all.into_iter().peekable();
    while let Some(token) = all.next() {
        let name = if is_ident(&token, "mod") {
            all.peek().and_then(ident)
        } else {
            None
        };
        let Some(name) = name else {
            own.push(token);
            continue;
        };
        all.next();
        let below: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
        match all.next() {
            Some(end) if is_punct(&end, ';') => {
                let (file, beside) = (folder.join(format!("{name}.rs")), folder.join(&name));
                let file = if file.is_file() {
                    file
                } else {
                    beside.join("mod.rs")
                };
                read(below, file, &beside, found)?;
            }
            Some(body) => {
                let inside = group(&body, Delimiter::Brace).unwrap_or_default();
                take(below, file.clone(), &folder.join(&name), inside, found)?;
            }
            None => {}
        }
    }
    found.push(Module {
        path,
        file,
        tokens: own,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn modules_are_found_in_both_kinds_of_files_and_in_braces() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write(
            "lib.rs",
            "pub mod a; mod b; #[cfg(test)] mod tests; mod c { mod d; fn f() {} }",
        );
        write("a.rs", "mod e;");
        write("a/e.rs", "");
        write("b/mod.rs", "mod f;");
        write("b/f.rs", "");
        write("c/d.rs", "");
        let found = of(&folder.path().join("lib.rs")).unwrap();
        let mut paths: Vec<String> = found.iter().map(|one| one.path.join("::")).collect();
        paths.sort();
        assert_eq!(paths, ["", "a", "a::e", "b", "b::f", "c", "c::d"]);
        let c = found.iter().find(|one| one.path == ["c"]).unwrap();
        assert_eq!((c.file.ends_with("lib.rs"), c.tokens.len()), (true, 4));
        write("b/f.rs", "mod gone;");
        assert!(of(&folder.path().join("lib.rs")).is_err());
    }
}
