//! `--users FILE`: names and passwords of users that must get in.

use std::io::Read as _;
use std::path::Path;

use kreg_auth::Credentials;

use crate::error::{Error, Tried as _};

/// A line a user, `name:password`; empty lines and `#` comments are left out.
pub(super) fn read(file: &Path) -> Result<Vec<Credentials>, Error> {
    let mut text = String::new();
    let what = format!("cannot read the users in {}", file.display());
    match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(file).map(|read| text = read),
    }
    .map_err(|cause| Error::usage(what).because(&cause))?;
    parse(&text, &file.display().to_string())
}

fn parse(text: &str, file: &str) -> Result<Vec<Credentials>, Error> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let place = format!("line {} of {file}", number + 1);
            // The line itself is never shown: it may be a password.
            let (name, password) = line.split_once(':').ok_or_else(|| {
                Error::usage(format!("{place} has no colon"))
                    .help("write each user as `name:password`")
            })?;
            Credentials::new(name, password).tried(format!("cannot use {place}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_user_and_a_bad_one_is_named_without_its_text() {
        let users = parse("# all of us\nann:a:b\n\nbob:pw", "f").unwrap();
        let names: Vec<_> = users.iter().map(Credentials::username).collect();
        assert_eq!(names, ["ann", "bob"]);
        let error = parse("ann:x\nhunter2\n", "f").unwrap_err();
        assert_eq!(error.message(), "line 2 of f has no colon");
    }
}
