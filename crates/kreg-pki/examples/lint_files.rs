//! Says which clients will refuse a registry, and why:
//! `cargo run --example lint_files tls.crt ca.crt docker-registry`

#![allow(clippy::print_stdout, reason = "a program's output")]

use kreg_pki::{San, lint};
use std::{env, error::Error, fs, process::ExitCode};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let [chain, trust, names @ ..] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: lint_files CHAIN TRUST NAME...".into());
    };
    let names = names.iter().map(|name| name.parse::<San>());
    let (chain, trust) = (fs::read(chain)?, fs::read(trust)?);
    let findings = lint::Lint::new(&chain, &trust, time::OffsetDateTime::now_utc())
        .endpoints(names.collect::<Result<Vec<_>, _>>()?)
        .run();
    findings.iter().for_each(|finding| println!("{finding}"));
    Ok(ExitCode::from(u8::from(lint::has_errors(&findings))))
}
