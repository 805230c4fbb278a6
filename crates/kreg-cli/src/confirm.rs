//! Asking before something is removed.

use std::io::{IsTerminal as _, Write as _};

use crate::error::{Error, Tried as _};

/// Asks on the terminal whether to do `what`. Where nobody can be asked that is an error, whose help is `otherwise`.
pub(crate) fn ask(what: &str, otherwise: &str) -> Result<(), Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage(format!("would {what}, and cannot ask")).help(otherwise));
    }
    let mut answer = String::new();
    write!(anstream::stderr(), "{what}? [y/N] ")
        .and_then(|()| anstream::stderr().flush())
        .and_then(|()| std::io::stdin().read_line(&mut answer))
        .tried("cannot ask")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::failed("not confirmed; nothing was changed")),
    }
}
