//! `kreg init`: a commented `kreg.toml`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::config::TEMPLATE;
use crate::error::{Ending, Error};
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
            let error = Error::usage(format!("cannot write {shown}"));
            match cause.kind() {
                ErrorKind::AlreadyExists => error
                    .because(&cause)
                    .help("kreg overwrites no configuration: remove it or name another file"),
                _ => error.because(&cause),
            }
        })?;
    file.write_all(TEMPLATE.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|cause| Error::failed(format!("cannot write {shown}")).because(&cause))?;
    output::line(&format!("wrote {shown}"))?;
    Ok(Ending::Done)
}
