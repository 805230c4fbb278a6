//! `kreg init`: a commented `kreg.toml`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::TEMPLATE;
use crate::error::{Ending, Error, Tried as _};
use crate::output;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where to write it; `-` for stdout
    #[arg(default_value = "kreg.toml")]
    pub(crate) file: PathBuf,
}

pub(crate) fn run(args: &InitArgs) -> Result<Ending, Error> {
    if args.file == Path::new("-") {
        output::line(TEMPLATE.trim_end())?;
        return Ok(Ending::Done);
    }
    let shown = args.file.display();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        // With a umask that lets others write, kreg would not use the file.
        .mode(0o644)
        .open(&args.file)
        .map_err(|cause| {
            let is_there = cause.kind() == ErrorKind::AlreadyExists;
            let help = "kreg overwrites no configuration: remove it or name another file";
            Error::usage(format!("cannot write {shown}"))
                .because(&cause)
                .help_if(is_there.then(|| help.to_owned()))
        })?;
    file.write_all(TEMPLATE.as_bytes())
        .and_then(|()| file.sync_all())
        .tried(format!("cannot write {shown}"))?;
    output::line(&format!("wrote {shown}"))?;
    Ok(Ending::Done)
}
