//! Rust text as tokens, without its tests and its documentation. Tokens also reach into macros, where a parser of the
//! language sees nothing.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::failure::{Failure, Result};

/// The tokens of a text, without comments, `#[doc]` and everything that `#[cfg(test)]` is on.
pub(super) fn of(text: &str) -> Result<Vec<TokenTree>> {
    match text.parse::<TokenStream>() {
        Ok(stream) => Ok(kept(stream)),
        Err(error) => Err(Failure::new("read Rust", error)),
    }
}

fn kept(stream: TokenStream) -> Vec<TokenTree> {
    let all: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = all.get(at) {
        let inner = usize::from(all.get(at + 1).is_some_and(|next| is_punct(next, '!')));
        let attribute = match all.get(at + 1 + inner) {
            Some(next) if is_punct(token, '#') => group(next, Delimiter::Bracket),
            _ => None,
        };
        match attribute {
            Some(inside) if inner == 0 && is_of_tests(&inside) => at = end_of_item(&all, at),
            Some(inside) if inside.first().is_some_and(|one| is_ident(one, "doc")) => {
                at += 2 + inner;
            }
            _ => {
                kept.push(token.clone());
                at += 1;
            }
        }
    }
    kept
}

/// `cfg(test)`, `cfg(all(test, …))`, and `cfg(doctest)`.
fn is_of_tests(attribute: &[TokenTree]) -> bool {
    fn names_test(tokens: &[TokenTree]) -> bool {
        tokens.iter().enumerate().any(|(at, token)| match token {
            TokenTree::Group(_) if at > 0 && is_ident(&tokens[at - 1], "not") => false,
            TokenTree::Group(inside) => names_test(&flat(inside.stream())),
            token => is_ident(token, "test") || is_ident(token, "doctest"),
        })
    }
    attribute.first().is_some_and(|one| is_ident(one, "cfg")) && names_test(attribute)
}

/// Where the item ends that begins at `at`: after its `;` or its braces.
fn end_of_item(all: &[TokenTree], at: usize) -> usize {
    let mut in_use = false;
    for (number, token) in all.iter().enumerate().skip(at) {
        in_use |= is_ident(token, "use");
        let ends = is_punct(token, ';') || (!in_use && group(token, Delimiter::Brace).is_some());
        if ends {
            return number + 1;
        }
    }
    all.len()
}

/// What is in a group of this kind, as it is kept.
pub(super) fn group(token: &TokenTree, delimiter: Delimiter) -> Option<Vec<TokenTree>> {
    match token {
        TokenTree::Group(inside) if inside.delimiter() == delimiter => Some(kept(inside.stream())),
        _ => None,
    }
}

/// What is in any group, as it is kept.
pub(super) fn inside(token: &TokenTree) -> Option<Vec<TokenTree>> {
    match token {
        TokenTree::Group(inside) => Some(kept(inside.stream())),
        _ => None,
    }
}

fn flat(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

pub(super) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

pub(super) fn is_ident(token: &TokenTree, wanted: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == wanted)
}

pub(super) fn ident(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> String {
        let words: Vec<String> = of(text).unwrap().iter().map(ToString::to_string).collect();
        words.join(" ")
    }

    #[test]
    fn tests_and_documentation_are_left_out_and_nothing_else() {
        for (text, wanted) in [
            ("/// a\nfn f() {}", "fn f () { }"),
            ("//! a\n// b\nmod x;", "mod x ;"),
            (
                "#[cfg(test)] #[path = \"t.rs\"] mod tests; mod x;",
                "mod x ;",
            ),
            (
                "#[cfg(all(test, unix))] fn f<A, B>() -> A { a } mod x;",
                "mod x ;",
            ),
            ("#[cfg(test)] use a::{b, c}; mod x;", "mod x ;"),
            ("#[cfg(unix)] mod y;", "# [cfg (unix)] mod y ;"),
        ] {
            assert_eq!(left(text), wanted, "{text}");
        }
        assert!(left("#[cfg(not(test))] mod y;").ends_with("mod y ;"));
        assert!(of("fn f( {").is_err());
    }
}
