//! `~`, `%` tokens and `${VARIABLES}` in values (ssh_config(5), TOKENS).

use std::path::PathBuf;

/// What tokens stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    /// `%h`: the host that is connected to.
    pub(super) host: &'a str,
    /// `%n`: the host as it was asked for.
    pub(super) original: &'a str,
    /// `%p`.
    pub(super) port: u16,
    /// `%r`.
    pub(super) user: &'a str,
    /// `%d`.
    pub(super) home: &'a str,
    /// `%u`.
    pub(super) local_user: &'a str,
}

impl Tokens<'_> {
    /// A file's path with everything in its place.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        let text = match text.strip_prefix("~/") {
            Some(rest) => format!("{}/{rest}", self.home.replace('%', "%%")),
            None => text.to_owned(),
        };
        self.percent(&variables(&text)?).map(PathBuf::from)
    }

    fn percent(&self, text: &str) -> Result<String, String> {
        let port = self.port.to_string();
        percent(text, |token| {
            Some(match token {
                'h' => self.host,
                'n' => self.original,
                'p' => &port,
                'r' => self.user,
                'd' => self.home,
                'u' => self.local_user,
                _ => return None,
            })
        })
    }
}

/// `text` with its tokens replaced; `%%` is a percent sign.
pub(super) fn percent<'a>(
    text: &str,
    value: impl Fn(char) -> Option<&'a str>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some(token) => match value(token) {
                Some(value) => out.push_str(value),
                None => return Err(format!("kreg does not know the token %{token}")),
            },
            None => return Err("a % at the end".to_owned()),
        }
    }
    Ok(out)
}

fn variables(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        let (name, after) = from
            .split_once('}')
            .ok_or_else(|| "a ${ without its }".to_owned())?;
        let value = std::env::var(name).map_err(|_| format!("${name} is not set"))?;
        out += before;
        out += &value;
        rest = after;
    }
    Ok(out + rest)
}
