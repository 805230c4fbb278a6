//! `docs/kubectl.md`: what both answered, a row an input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// What one program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What the API server saw of it.
    Reached(String),
    /// What it said on standard error instead.
    Failed(String),
}

impl Answer {
    /// Its error, with the folder's name taken out.
    pub(crate) fn failed(output: &Output, folder: &Path) -> Answer {
        let said = String::from_utf8_lossy(&output.stderr);
        let folder = folder.to_str().unwrap();
        let lines = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !is_log(line));
        let said = lines.collect::<Vec<_>>().join(" ").replace(folder, "$DIR");
        assert!(!output.status.success() && !said.is_empty(), "{output:?}");
        Answer::Failed(without_times(&said))
    }

    pub(crate) fn is_reached(&self) -> bool {
        matches!(self, Answer::Reached(_))
    }

    fn cell(&self) -> String {
        match self {
            Answer::Reached(how) => how.clone(),
            Answer::Failed(said) if said.is_empty() => "fails too".to_owned(),
            Answer::Failed(said) => format!("fails: {}", said.replace('|', "\\|")),
        }
    }
}

/// Without how often and how long it was tried, which no two runs share.
fn without_times(said: &str) -> String {
    let Some((before, rest)) = said.split_once(" tries over ") else {
        return said.to_owned();
    };
    let before = before
        .rsplit_once(" in ")
        .map_or(before, |(before, _)| before);
    let after = rest.split_once(" s;").map_or(rest, |(_, after)| after);
    format!("{before};{after}")
}

/// A line of klog, such as `E1130 17:00:00.000000    1 memcache.go:265] ...`.
fn is_log(line: &str) -> bool {
    let mut letters = line.chars();
    matches!(letters.next(), Some('E' | 'W' | 'I'))
        && letters
            .by_ref()
            .take(4)
            .all(|letter| letter.is_ascii_digit())
}

/// One input and both answers, cells of the table.
pub(crate) struct Row {
    pub(crate) input: Vec<String>,
    pub(crate) kubectl: Vec<Answer>,
    pub(crate) kreg: Vec<Answer>,
    /// Why kreg may answer otherwise.
    pub(crate) differs: Option<&'static str>,
}

impl Row {
    /// Both reach the same, or both fail; and a reason to differ is there only if they do.
    fn judge(&self) -> Result<(), String> {
        let same = self
            .kubectl
            .iter()
            .zip(&self.kreg)
            .all(|(kubectl, kreg)| match kubectl {
                Answer::Reached(_) => kubectl == kreg,
                Answer::Failed(_) => !kreg.is_reached(),
            });
        let seen = format!(
            "{:?}: kubectl {:?}, kreg {:?}",
            self.input, self.kubectl, self.kreg
        );
        (same == self.differs.is_none()).then_some(()).ok_or(seen)
    }

    fn line(&self) -> String {
        let answers = self.kubectl.iter().chain(&self.kreg).map(Answer::cell);
        let mut cells: Vec<_> = self.input.iter().cloned().chain(answers).collect();
        if let (Some(why), Some(last)) = (self.differs, cells.last_mut()) {
            *last = format!("{last} ({why})");
        }
        format!("| {} |\n", cells.join(" | "))
    }
}

const HEAD: &str = "# The same cluster as kubectl, the same way\n\n\
    Written by the test `kubectl` of kreg-cli (`KREG_WRITE_DOCS=1`), which fails if the page and the programs differ. Both\n\
    programs got the same kubeconfig, variables and options, in a network with real proxies (Apache and microsocks) before a\n\
    stand-in for an API server, which recognised the proxy of a connection by its account. `$P` is the proxies'\n\
    address, `$DIR` a folder with the files.\n\n";

pub(crate) fn holds(version: &str, ways: &[Row], identities: &[Row]) {
    let table = |rows: &[Row]| rows.iter().map(Row::line).collect::<String>();
    let page = format!(
        "{HEAD}The kubectl was {version}.\n\n\
         ## The way to the server\n\n\
         \"Stream\" is `kubectl exec`; for kreg it is `exec` and `port-forward`, which `kreg tunnel`, `gc` and agents use.\n\n\
         | server | proxy-url | environment | kubectl | its stream | kreg | its streams |\n\
         |---|---|---|---|---|---|---|\n{}\n\
         ## Files, credentials, and whom to act as\n\n\
         Where both reach the server, this is the token that it saw, and as whom.\n\n\
         | input | kubectl | kreg |\n|---|---|---|\n{}",
        table(ways),
        table(identities)
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/kubectl.md");
    if std::env::var_os("KREG_WRITE_DOCS").is_some() {
        fs::write(&path, page).unwrap();
    } else {
        let written = fs::read_to_string(&path).unwrap();
        let lost = written
            .lines()
            .filter(|line| !page.lines().any(|seen| seen == *line));
        let lost = lost.map(|line| format!("- {line}\n"));
        let new = page
            .lines()
            .filter(|line| !written.lines().any(|known| known == *line));
        let new = new.map(|line| format!("+ {line}\n"));
        let differing: String = lost.chain(new).collect();
        assert!(written == page, "docs/kubectl.md:\n{differing}");
    }
    let rows = ways.iter().chain(identities);
    let wrong: Vec<_> = rows.filter_map(|row| row.judge().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
