//! `kreg completions` and `kreg man`: made from the command line's own definition.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::{Ending, Error};
use crate::output;

pub(crate) fn completions(shell: Shell) -> Result<Ending, Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kreg", &mut text);
    print(text)
}

/// One page with all commands: roff, as `man -l -` reads it.
pub(crate) fn man() -> Result<Ending, Error> {
    let mut text = Vec::new();
    let mut command = Cli::command().flatten_help(true);
    command.build();
    clap_mangen::Man::new(command)
        .render(&mut text)
        .map_err(|cause| Error::failed("cannot write the manual page").because(&cause))?;
    print(text)
}

fn print(text: Vec<u8>) -> Result<Ending, Error> {
    output::line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(Ending::Done)
}
