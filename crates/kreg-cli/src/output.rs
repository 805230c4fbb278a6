//! Results on stdout: a table for people, one JSON or YAML document for programs.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

pub(crate) use kreg_verify::table;

use crate::args::Output;
use crate::error::{Error, Tried as _};

/// The version of every document that kreg prints.
pub(crate) const SCHEMA: &str = "kreg/v1";

/// A document: `schema` and `kind` first, then what the command found.
#[derive(Debug, Serialize)]
struct Document<'a, T> {
    schema: &'static str,
    kind: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// Prints `body` as a document, or `table()` for a person.
pub(crate) fn print<T: Serialize>(
    output: Output,
    kind: &str,
    body: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Error> {
    whole(
        output,
        &Document {
            schema: SCHEMA,
            kind,
            body,
        },
        |document| table(document.body),
    )
}

/// The same for a body that names its schema and kind itself.
pub(crate) fn whole<T: Serialize>(
    output: Output,
    document: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Error> {
    let text = match output {
        Output::Table => table(document),
        Output::Json => {
            serde_json::to_string_pretty(document).tried("cannot write the result as JSON")?
        }
        Output::Yaml => {
            serde_saphyr::to_string(document).tried("cannot write the result as YAML")?
        }
    };
    line(text.trim_end())
}

/// One text on stdout; a reader that has left (`| head`) is no error.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    match writeln!(anstream::stdout(), "{text}") {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::failed("cannot write to stdout").because(&cause))
        }
        _ => Ok(()),
    }
}

/// The marks at the beginnings of lines in colour, and the way out where lines say it; the stream that it is written
/// to takes that off where it is not wanted.
pub(crate) fn coloured(text: &str) -> String {
    let styles = [
        ("✓", AnsiColor::Green.on_default()),
        ("✗", AnsiColor::Red.on_default().bold()),
        ("! ", AnsiColor::Yellow.on_default().bold()),
        ("-  ", AnsiColor::Yellow.on_default()),
        ("    fix:", AnsiColor::Green.on_default()),
        ("    hence:", Style::new().dimmed()),
        ("    seen:", Style::new().dimmed()),
    ];
    let colour = |line: &str| {
        let found = styles.iter().find_map(|(mark, style)| {
            let rest = line.strip_prefix(mark)?;
            Some(format!("{style}{mark}{style:#}{rest}"))
        });
        found.unwrap_or_else(|| line.to_owned())
    };
    text.lines().map(colour).collect::<Vec<_>>().join("\n")
}

/// The word that a value has in JSON (`not-ready`), for tables.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}
