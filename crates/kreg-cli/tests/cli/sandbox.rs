//! A place to run `kreg` in, which sees all that a run touches.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;

/// Far more than any of these runs needs.
const LIMIT: Duration = Duration::from_secs(30);

/// A home, a working directory and a place for temporary files, all of them empty, and a kubeconfig that leads to a
/// server which notices who connects.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    api: TcpListener,
}

/// Every file and directory: its mode, when it was last changed, and its content.
type Files = BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>;

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    pub(crate) fn below(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        for name in ["home", "tmp", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        api.set_nonblocking(true).unwrap();
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             clusters: [{{name: c, cluster: {{server: 'https://{}'}}}}]\n\
             users: [{{name: u, user: {{token: t}}}}]\n\
             contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n",
            api.local_addr().unwrap()
        );
        fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
        Self { folder, api }
    }

    /// A file in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// `kreg` in the working directory, with nothing of the caller's environment.
    pub(crate) fn kreg<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.program(Path::new(env!("CARGO_BIN_EXE_kreg")));
        command
            .args(arguments)
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        command
    }

    /// The same for any program, without a kubeconfig.
    pub(crate) fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.folder.path().join("work"))
            .timeout(LIMIT);
        command
    }

    /// Runs it; it writes no file, not for a moment either, and connects to nothing.
    pub(crate) fn untouched(&self, command: &mut Command) -> Assert {
        let before = self.files();
        let assert = command.assert();
        assert_eq!(self.files(), before, "{command:?} wrote to a file");
        let connected = self.api.accept();
        let none = matches!(&connected, Err(error) if error.kind() == ErrorKind::WouldBlock);
        assert!(none, "{command:?} connected to the cluster: {connected:?}");
        assert
    }

    /// Runs it; it ends with 2, says each of `words` on stderr, says nothing on stdout, and touches nothing.
    pub(crate) fn refused(&self, command: &mut Command, words: &[&str]) -> String {
        let assert = self.untouched(command).code(2).stdout("");
        let told = text(&assert.get_output().stderr);
        for word in words {
            assert!(
                told.contains(word),
                "{command:?} does not say `{word}`:\n{told}"
            );
        }
        told
    }

    /// Runs it; it ends with 0 and touches nothing. Returns stdout.
    pub(crate) fn answer(&self, command: &mut Command) -> String {
        let assert = self.untouched(command).success();
        text(&assert.get_output().stdout)
    }

    fn files(&self) -> Files {
        let mut found = Files::new();
        let mut ahead = vec![self.folder.path().to_owned()];
        while let Some(path) = ahead.pop() {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mut content = Vec::new();
            if metadata.is_dir() {
                ahead.extend(fs::read_dir(&path).unwrap().map(|one| one.unwrap().path()));
            } else if metadata.is_file() {
                content = fs::read(&path).unwrap();
            }
            let changed = (metadata.mtime(), metadata.mtime_nsec());
            found.insert(path, (metadata.mode(), changed.0, changed.1, content));
        }
        found
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
