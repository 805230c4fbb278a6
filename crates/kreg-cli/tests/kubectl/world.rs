//! A network of its own with an API server, proxies in front of it, and both programs.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kreg_pki::{Authority, AuthorityRequest, Issuer as _, LeafRequest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use secrecy::ExposeSecret as _;

use crate::stand_in::StandIn;

/// Where the API server and all proxies are. Loopback is never proxied, so it is another address.
pub(crate) const ADDRESS: &str = "10.77.0.1";
const ADDRESS_6: &str = "fd77::1";
/// The same by name.
pub(crate) const NAME: &str = "api.kreg.test";
const PROXY_NAME: &str = "proxy.kreg.test";

/// The proxies: the account that each runs as, and its name in the table.
const HTTP: (u32, &str) = (40001, "http proxy");
const HTTPS: (u32, &str) = (40002, "https proxy");
const SOCKS: (u32, &str) = (40003, "socks5 proxy");
const SOCKS_PASSWORD: (u32, &str) = (40004, "socks5 proxy with password");

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) api: StandIn,
    kubectl: PathBuf,
    running: Vec<Child>,
}

/// What a program is given.
#[derive(Default, Clone)]
pub(crate) struct Input<'a> {
    /// Variables; `$DIR` is [`World::folder`].
    pub(crate) environment: Vec<(&'a str, &'a str)>,
    /// Options that both programs know.
    pub(crate) options: Vec<&'a str>,
}

impl World {
    pub(crate) fn new() -> World {
        let kubectl = std::env::var_os("KUBECTL").map(PathBuf::from);
        let kubectl = kubectl.expect("this test needs a kubectl: set KUBECTL");
        // A provider may be installed already; there is only this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        // The proxies run as others.
        set_mode(folder.path(), 0o755);
        run("ip link set lo up");
        run(&format!("ip address add {ADDRESS}/32 dev lo"));
        run(&format!("ip address add {ADDRESS_6}/128 dev lo nodad"));
        // All of /etc: a mount on /etc/hosts itself ends when another program puts a new file in its place.
        let etc = folder.path().join("etc");
        run(&format!("cp -a /etc {}", etc.display()));
        fs::write(
            etc.join("hosts"),
            format!("127.0.0.1 localhost\n{ADDRESS} {NAME} {PROXY_NAME}\n"),
        )
        .unwrap();
        run(&format!("mount --bind {} /etc", etc.display()));
        let mut world = World {
            folder,
            api: StandIn::default(),
            kubectl,
            running: Vec::new(),
        };
        world.start_api();
        world.start_proxies();
        world
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file; `$DIR` in it becomes the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, self.filled(text)).unwrap();
        path
    }

    fn filled(&self, text: &str) -> String {
        text.replace("$DIR", self.folder().to_str().unwrap())
    }

    pub(crate) fn kubectl(&self, words: &[&str], input: &Input<'_>) -> Output {
        let mut command = Command::new(&self.kubectl);
        command.arg("--request-timeout=8s");
        self.run(command.args(words), input)
    }

    pub(crate) fn kreg(&self, words: &[&str], input: &Input<'_>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kreg"));
        command.args(["--timeout", "8s"]);
        self.run(command.args(words), input)
    }

    /// The streams of this program, see `streams` in `kubectl.rs`.
    pub(crate) fn streams(&self, input: &Input<'_>) -> Output {
        let mut command = crate::myself("");
        let mut input = input.clone();
        input.environment.push((crate::PART, "streams"));
        self.run(&mut command, &input)
    }

    fn run(&self, command: &mut Command, input: &Input<'_>) -> Output {
        command.args(input.options.iter().map(|word| self.filled(word)));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder());
        for (name, value) in &input.environment {
            command.env(name, self.filled(value));
        }
        command.current_dir(self.folder()).stdin(Stdio::null());
        command.output().unwrap()
    }

    pub(crate) fn kubectl_version(&self) -> String {
        let output = self.kubectl(&["version", "--client"], &Input::default());
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines()
            .next()
            .unwrap()
            .trim_start_matches("Client Version: ")
            .to_owned()
    }

    /// The name of the account's proxy.
    pub(crate) fn way(uid: u32) -> String {
        let known = [HTTP, HTTPS, SOCKS, SOCKS_PASSWORD, (0, "direct")];
        let found = known.iter().find(|(known, _)| *known == uid);
        found.map_or_else(
            || format!("unknown account {uid}"),
            |(_, name)| (*name).to_owned(),
        )
    }

    fn start_api(&self) {
        let authority = Authority::generate(&AuthorityRequest::new("test")).unwrap();
        let names = [
            ADDRESS,
            ADDRESS_6,
            NAME,
            PROXY_NAME,
            "127.0.0.1",
            "::1",
            "localhost",
        ];
        let sans = names.iter().map(|name| name.parse().unwrap());
        let leaf = authority.issue(&LeafRequest::new(NAME).sans(sans)).unwrap();
        let (chain, key) = (leaf.chain_pem(), leaf.key_pem().expose_secret());
        self.write("ca.crt", &authority.certificate_pem());
        self.write("tls.crt", &chain);
        self.write("tls.key", key);
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap);
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                chain.collect(),
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        let config = Arc::new(config);
        for address in ["[::]:6443", "[::]:443"] {
            self.api.listen(address, Some(Arc::clone(&config)));
        }
        self.api.listen(&format!("{ADDRESS}:8080"), None);
    }

    fn start_proxies(&mut self) {
        let mut hashed = Command::new("openssl");
        let hashed = hashed.args(["passwd", "-apr1", "p@ss"]).output().unwrap();
        let hashed = String::from_utf8(hashed.stdout).unwrap();
        self.write("users", &format!("jane:{hashed}"));
        for file in ["tls.key", "users", "ca.crt", "tls.crt"] {
            set_mode(&self.folder().join(file), 0o644);
        }
        let password = "<Proxy *>\nAuthType Basic\nAuthName p\nAuthBasicProvider file\n\
            AuthUserFile $DIR/users\nRequire valid-user\n</Proxy>";
        let nobody = "<Proxy *>\nRequire all denied\n</Proxy>";
        let sites = [(3128, ""), (3129, password), (3130, nobody)];
        self.apache(HTTP.0, &sites);
        let tls =
            "SSLEngine on\nSSLCertificateFile $DIR/tls.crt\nSSLCertificateKeyFile $DIR/tls.key";
        self.apache(HTTPS.0, &[(3131, tls)]);
        self.microsocks(SOCKS.0, &["-p", "1080"]);
        self.microsocks(
            SOCKS_PASSWORD.0,
            &["-p", "1081", "-u", "jane", "-P", "p@ss"],
        );
        for port in [3128, 3129, 3130, 3131, 1080, 1081] {
            answers(port);
        }
    }

    /// An Apache that forwards, with a port and what holds there for each site.
    fn apache(&mut self, uid: u32, sites: &[(u16, &str)]) {
        let modules = "mpm_event authz_core authz_user authn_core authn_file auth_basic ssl proxy proxy_http proxy_connect";
        let modules: String = modules
            .split(' ')
            .map(|name| {
                format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
            })
            .collect();
        let sites: String = sites
            .iter()
            .map(|(port, rules)| {
                format!("Listen {ADDRESS}:{port}\n<VirtualHost {ADDRESS}:{port}>\n{rules}\n</VirtualHost>\n")
            })
            .collect();
        let name = format!("apache-{uid}");
        let config = self.write(
            &format!("{name}/conf"),
            &format!(
                "ServerName {PROXY_NAME}\nServerRoot $DIR/{name}\nDefaultRuntimeDir $DIR/{name}\n\
                 PidFile $DIR/{name}/pid\nErrorLog $DIR/{name}/log\n{modules}\
                 Mutex posixsem\nProxyRequests On\nAllowCONNECT 443 6443\n{sites}"
            ),
        );
        std::os::unix::fs::chown(config.parent().unwrap(), Some(uid), Some(uid)).unwrap();
        let config = config.to_str().unwrap();
        self.start(uid, &["/usr/sbin/apache2", "-DFOREGROUND", "-f", config]);
    }

    fn microsocks(&mut self, uid: u32, words: &[&str]) {
        self.start(uid, &[&["microsocks", "-i", ADDRESS], words].concat());
    }

    fn start(&mut self, uid: u32, words: &[&str]) {
        let mut command = Command::new("setpriv");
        let (user, group) = (format!("--reuid={uid}"), format!("--regid={uid}"));
        command.args([&user, &group, "--clear-groups"]).args(words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.running.push(command.spawn().expect("setpriv runs"));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.running {
            // Apache ends its own processes when it gets this.
            let pid = child.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &pid]).status();
            let _ = child.wait();
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

fn answers(port: u16) {
    let begun = Instant::now();
    while TcpStream::connect((ADDRESS, port)).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "nothing at port {port}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
