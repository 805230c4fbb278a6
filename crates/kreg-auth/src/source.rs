//! Where a password comes from.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use thiserror::Error;
use zeroize::Zeroizing;

/// More than any password; a wrong file or device is noticed early.
const READ_LIMIT: u64 = 64 * 1024;

/// Where to read a password from. The command line is not among them on purpose: every user
/// of the machine sees it in `ps`, and it stays in the shell's history.
///
/// As text: `-` or `stdin`, `file:PATH`, `env:NAME`, `prompt`.
///
/// One line end at the end is taken off (`\n` or `\r\n`), nothing else, as `docker login
/// --password-stdin` does.
///
/// ```
/// use kreg_auth::PasswordSource;
/// let source: PasswordSource = "file:/run/secrets/registry".parse()?;
/// assert_eq!(source, PasswordSource::File("/run/secrets/registry".into()));
/// assert!("pass:hunter2".parse::<PasswordSource>().is_err());
/// # Ok::<(), kreg_auth::SourceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordSource {
    /// All of standard input.
    Stdin,
    /// All of a file.
    File(PathBuf),
    /// An environment variable. Other processes of the same user can read it too.
    Env(String),
    /// The terminal, without echo, once. Needs the feature `prompt`.
    Prompt,
    /// The terminal, without echo, twice: for a new password. Needs the feature `prompt`.
    PromptTwice,
}

/// Why no password was read. The password is never in the message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The source could not be read.
    #[error("the password could not be read from {origin}; see that it is there and readable")]
    Read {
        /// Which source.
        origin: PasswordSource,
        /// What the system said.
        source: io::Error,
    },
    /// The environment variable is not set.
    #[error(
        "the environment variable {name} is not set; export it, or give the password another way"
    )]
    NotSet {
        /// The variable.
        name: String,
    },
    /// Not UTF-8.
    #[error("the password from {origin} is not UTF-8, as registries expect it; encode it so")]
    NotUtf8 {
        /// Which source.
        origin: PasswordSource,
    },
    /// More than 64 KiB.
    #[error("{origin} holds more than 64 KiB, which is no password; see that it is the right one")]
    TooLong {
        /// Which source.
        origin: PasswordSource,
    },
    /// The two entries at the terminal differ.
    #[error("the two passwords differ; try again")]
    Mismatch,
    /// Built without the feature `prompt`.
    #[error(
        "this program cannot ask for a password; give it by `-` (standard input), `file:PATH` or `env:NAME`"
    )]
    NoPrompt,
    /// Text that names no source. It is not repeated: it might be the password.
    #[error(
        "that is no source of a password; write `-` (standard input), `file:PATH`, `env:NAME` or \
         `prompt` (a password itself does not belong on the command line, where all users of the \
         machine can see it)"
    )]
    Unknown,
}

impl PasswordSource {
    /// This environment variable, if it is set.
    #[must_use]
    pub fn variable(name: &str) -> Option<PasswordSource> {
        std::env::var_os(name).map(|_| PasswordSource::Env(name.to_owned()))
    }

    /// Standard input if it was chosen, else the file if there is one.
    #[must_use]
    pub fn chosen(stdin: bool, file: Option<PathBuf>) -> Option<PasswordSource> {
        let stdin = stdin.then_some(PasswordSource::Stdin);
        stdin.or(file.map(PasswordSource::File))
    }

    /// Reads the password.
    ///
    /// # Errors
    /// [`SourceError`]. Whether the registry can take the password is for
    /// [`Credentials::new`](crate::Credentials::new) to say.
    pub fn read(&self) -> Result<SecretString, SourceError> {
        match self {
            PasswordSource::Stdin => self.read_from(io::stdin().lock()),
            PasswordSource::File(path) => match std::fs::File::open(path) {
                Ok(file) => self.read_from(file),
                Err(source) => Err(self.unreadable(source)),
            },
            PasswordSource::Env(name) => match std::env::var_os(name) {
                Some(value) => match value.into_string() {
                    Ok(text) => Ok(text.into()),
                    Err(_) => Err(SourceError::NotUtf8 {
                        origin: self.clone(),
                    }),
                },
                None => Err(SourceError::NotSet { name: name.clone() }),
            },
            PasswordSource::Prompt => self.ask("Password: "),
            PasswordSource::PromptTwice => {
                use secrecy::ExposeSecret;
                let first = self.ask("New password: ")?;
                let second = self.ask("The same again: ")?;
                if first.expose_secret() == second.expose_secret() {
                    Ok(first)
                } else {
                    Err(SourceError::Mismatch)
                }
            }
        }
    }

    fn read_from(&self, input: impl Read) -> Result<SecretString, SourceError> {
        // Room for all of it, so that growing leaves no copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(READ_LIMIT as usize + 1));
        let read = input.take(READ_LIMIT + 1).read_to_end(&mut bytes);
        read.map_err(|source| self.unreadable(source))?;
        if bytes.len() as u64 > READ_LIMIT {
            return Err(SourceError::TooLong {
                origin: self.clone(),
            });
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(without_line_end(text).into()),
            Err(_) => Err(SourceError::NotUtf8 {
                origin: self.clone(),
            }),
        }
    }

    #[cfg(feature = "prompt")]
    fn ask(&self, prompt: &str) -> Result<SecretString, SourceError> {
        match rpassword::prompt_password(prompt) {
            Ok(text) => Ok(text.into()),
            Err(source) => Err(self.unreadable(source)),
        }
    }

    #[cfg(not(feature = "prompt"))]
    fn ask(&self, _prompt: &str) -> Result<SecretString, SourceError> {
        Err(SourceError::NoPrompt)
    }

    fn unreadable(&self, source: io::Error) -> SourceError {
        SourceError::Read {
            origin: self.clone(),
            source,
        }
    }
}

impl FromStr for PasswordSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<PasswordSource, SourceError> {
        match text.split_once(':') {
            None if text == "-" || text == "stdin" => Ok(PasswordSource::Stdin),
            None if text == "prompt" => Ok(PasswordSource::Prompt),
            Some(("file", path)) if !path.is_empty() => Ok(PasswordSource::File(path.into())),
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(PasswordSource::Env(name.to_owned()))
            }
            _ => Err(SourceError::Unknown),
        }
    }
}

impl fmt::Display for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordSource::Stdin => f.write_str("standard input"),
            PasswordSource::File(path) => write!(f, "the file {}", path.display()),
            PasswordSource::Env(name) => write!(f, "the environment variable {name}"),
            PasswordSource::Prompt | PasswordSource::PromptTwice => f.write_str("the terminal"),
        }
    }
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn one_line_end_goes_and_nothing_else() {
        for (input, expected) in [
            ("pw\n", "pw"),
            ("pw\r\n", "pw"),
            ("pw", "pw"),
            (" pw \n", " pw "),
            ("pw\n\n", "pw\n"),
            ("", ""),
        ] {
            let read = PasswordSource::Stdin.read_from(input.as_bytes()).unwrap();
            assert_eq!(read.expose_secret(), expected, "{input:?}");
        }
    }

    #[test]
    fn files_and_variables() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, "geheim\n").unwrap();
        assert_eq!(
            PasswordSource::File(path).read().unwrap().expose_secret(),
            "geheim"
        );
        let missing = PasswordSource::File(dir.path().join("missing"))
            .read()
            .unwrap_err();
        assert!(missing.to_string().contains("missing"), "{missing}");
        // Cargo sets this one for every test.
        let source = PasswordSource::Env("CARGO_PKG_NAME".into());
        assert_eq!(source.read().unwrap().expose_secret(), "kreg-auth");
        let unset = PasswordSource::Env("KREG_AUTH_NOT_SET".into())
            .read()
            .unwrap_err();
        assert!(matches!(unset, SourceError::NotSet { .. }));
    }

    #[test]
    fn no_endless_input_and_no_binary() {
        let endless = PasswordSource::Stdin
            .read_from(io::repeat(b'x'))
            .unwrap_err();
        assert!(matches!(endless, SourceError::TooLong { .. }));
        let binary = PasswordSource::Stdin.read_from(&b"\xff"[..]).unwrap_err();
        assert!(matches!(binary, SourceError::NotUtf8 { .. }));
    }

    #[test]
    fn sources_as_text() {
        let parse = |text: &str| text.parse::<PasswordSource>();
        assert_eq!(parse("-").unwrap(), PasswordSource::Stdin);
        assert_eq!(parse("env:PW").unwrap(), PasswordSource::Env("PW".into()));
        assert_eq!(parse("prompt").unwrap(), PasswordSource::Prompt);
        for bad in [
            "",
            "hunter2",
            "pass:hunter2",
            "file:",
            "env:",
            "env:A=hunter2",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(matches!(error, SourceError::Unknown), "{bad}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_no_error_repeats_it(text in "\\PC{0,40}|(file|env|pass)?:?[a-z]{0,8}") {
            let _ = text.parse::<PasswordSource>();
            let secret = format!("hunter-{text}-2");
            let error = secret.parse::<PasswordSource>().unwrap_err();
            let told = format!("{error} {error:?}");
            proptest::prop_assert!(!told.contains(&secret), "{}", told);
        }
    }
}
