//! What every node must come to hold.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kreg_auth::RegistryHost;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::InstanceId;

/// How a node finds the registry behind its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NameMode {
    /// The runtime is told the Service's address; no name is looked up on the node.
    /// Runtimes that cannot be told (Docker) get a line in `/etc/hosts` all the same.
    #[default]
    ByAddress,
    /// A managed block in `/etc/hosts` maps the name to the address, as the tutorial does.
    HostsFile,
}

/// What every node must come to hold so that its runtime pulls from one registry:
/// the certificates to trust and the way to find it. Nothing secret.
///
/// ```
/// use kreg_nodes::{InstanceId, NameMode, Trust};
/// # let ca_pem = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
/// let trust = Trust::new(InstanceId::new("docker-registry")?, "docker-registry:5000".parse()?, ca_pem)?
///     .with_endpoint("10.96.0.50".parse()?)
///     .with_names(NameMode::ByAddress);
/// assert_eq!(trust.endpoint_url(), "https://10.96.0.50:5000");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    instance: InstanceId,
    host: RegistryHost,
    ca_pem: CaPem,
    endpoint: Option<IpAddr>,
    names: NameMode,
    docker_certs_d: bool,
    adopt: bool,
    #[serde(default)]
    restart: bool,
}

/// Why a PEM text cannot be given to nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No `CERTIFICATE` block. containerd fails every pull if a CA file holds none.
    #[error(
        "the certificates for the nodes hold no `-----BEGIN CERTIFICATE-----` block; give the \
         CA's certificate in PEM form"
    )]
    NoCertificate,
    /// A private key among the certificates.
    #[error(
        "the certificates for the nodes hold a private key, which must never reach a node; give \
         the CA's certificate only"
    )]
    PrivateKey,
    /// A block that begins and does not end, or holds what PEM cannot.
    #[error(
        "the certificates for the nodes are not valid PEM at line {line}: {reason}; write each block \
         again on lines of its own"
    )]
    Malformed {
        /// Line number, from 1.
        line: usize,
        /// What is wrong there.
        reason: &'static str,
    },
}

impl Trust {
    /// Trust in `host`, whose certificates are signed by those in `ca_pem` (PEM, one or more).
    ///
    /// Text between the PEM blocks is left out, and each block is written again as RFC 7468
    /// section 3 has it, so that every client reads it: from the first column, 64 characters of
    /// base64 in a line, lines ended by `\n`.
    ///
    /// # Errors
    /// [`TrustError`] if `ca_pem` holds no certificate, a private key, or a broken block.
    pub fn new(
        instance: InstanceId,
        host: RegistryHost,
        ca_pem: &str,
    ) -> Result<Trust, TrustError> {
        Ok(Trust {
            instance,
            host,
            ca_pem: CaPem::new(ca_pem)?,
            endpoint: None,
            names: NameMode::default(),
            docker_certs_d: false,
            adopt: false,
            restart: false,
        })
    }

    /// The address to reach the registry at: the Service's ClusterIP. Without one the
    /// registry's name must resolve on the nodes by other means.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: IpAddr) -> Trust {
        self.endpoint = Some(endpoint);
        self
    }

    /// How nodes find the registry; [`NameMode::ByAddress`] unless said otherwise.
    #[must_use]
    pub fn with_names(mut self, names: NameMode) -> Trust {
        self.names = names;
        self
    }

    /// Whether `/etc/docker/certs.d/<host>/ca.crt` is written on every node, whatever
    /// its runtime, as the tutorial does.
    #[must_use]
    pub fn with_docker_certs_d(mut self, yes: bool) -> Trust {
        self.docker_certs_d = yes;
        self
    }

    /// Whether files that others wrote at the same paths may be replaced. They are kept in
    /// the journal and come back on undo. Without it such a node is refused.
    #[must_use]
    pub fn with_adopt(mut self, yes: bool) -> Trust {
        self.adopt = yes;
        self
    }

    /// Whether a runtime may be restarted where it would not read what is written otherwise: its
    /// configuration is changed, it is restarted, and both are undone if it does not come back.
    /// Never without this.
    #[must_use]
    pub fn with_restart(mut self, yes: bool) -> Trust {
        self.restart = yes;
        self
    }

    /// The installation this belongs to.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// The registry as image references name it.
    #[must_use]
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// The certificates, PEM, ending with a newline.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem.0
    }

    /// The Service's address, if one was given.
    #[must_use]
    pub fn endpoint(&self) -> Option<IpAddr> {
        self.endpoint
    }

    /// How nodes find the registry.
    #[must_use]
    pub fn names(&self) -> NameMode {
        self.names
    }

    /// Whether Docker's directory is written whatever the runtime.
    #[must_use]
    pub fn docker_certs_d(&self) -> bool {
        self.docker_certs_d
    }

    /// Whether foreign files may be replaced.
    #[must_use]
    pub fn adopt(&self) -> bool {
        self.adopt
    }

    /// Whether a runtime may be restarted.
    #[must_use]
    pub fn restart(&self) -> bool {
        self.restart
    }

    /// What the runtime is told to connect to, such as `https://10.96.0.50:5000`: the
    /// address by [`NameMode::ByAddress`], the name otherwise or where there is no address.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        match self.address() {
            Some(_) => format!("https://{}", self.endpoint_authority()),
            None => self.host.url(),
        }
    }

    /// The same without the scheme, as runtimes name directories after it: `10.96.0.50:5000`.
    #[must_use]
    pub fn endpoint_authority(&self) -> String {
        match self.address() {
            Some(address) => SocketAddr::new(address, self.host.port()).to_string(),
            None => self.host.to_string(),
        }
    }

    /// The address that runtimes are told, where they are told one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.endpoint.filter(|_| self.names == NameMode::ByAddress)
    }

    /// SHA-256 of the certificates as written to nodes, in lower-case hex.
    #[must_use]
    pub fn ca_sha256(&self) -> String {
        hex::encode(Sha256::digest(self.ca_pem.0.as_bytes()))
    }
}

/// PEM text of one or more certificates and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct CaPem(String);

impl CaPem {
    fn new(given: &str) -> Result<CaPem, TrustError> {
        if given.contains("PRIVATE KEY-----") {
            return Err(TrustError::PrivateKey);
        }
        let mut text = String::with_capacity(given.len());
        let mut open: Option<(usize, String)> = None;
        for (number, line) in lines(given).enumerate() {
            let bad = |reason| TrustError::Malformed {
                line: number + 1,
                reason,
            };
            open = match (line, open) {
                (BEGIN, None) => Some((number, String::new())),
                (BEGIN, Some(_)) => return Err(bad("a block begins within a block")),
                (END, Some((_, packed))) => {
                    let reason = "the block that ends here is not base64";
                    write(&packed, &mut text).ok_or(bad(reason))?;
                    None
                }
                (END, None) => return Err(bad("a block ends that did not begin")),
                _ if line.contains("CERTIFICATE-----") => {
                    return Err(bad(
                        "only BEGIN CERTIFICATE or END CERTIFICATE may stand on this line",
                    ));
                }
                (_, Some((begin, packed))) if is_base64(line) => {
                    Some((begin, packed + &bare(line)))
                }
                (_, Some(_)) => return Err(bad("not base64 within a certificate")),
                (_, None) => None,
            };
        }
        match open {
            Some((begin, _)) => Err(TrustError::Malformed {
                line: begin + 1,
                reason: "the block has no end",
            }),
            None if text.is_empty() => Err(TrustError::NoCertificate),
            None => Ok(CaPem(text)),
        }
    }
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Characters of base64 in a line (RFC 7468 section 2).
const LINE: usize = 64;

/// Lines as every editor ends them, without what stands around their words.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
        .map(|line| line.trim_matches(['\u{feff}', ' ', '\t']))
}

/// Puts the block behind `text`, if `packed` is base64 of something.
fn write(packed: &str, text: &mut String) -> Option<()> {
    let der = STANDARD.decode(packed).ok().filter(|der| !der.is_empty())?;
    let mut rest = &*STANDARD.encode(der);
    *text += &format!("{BEGIN}\n");
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        *text += &format!("{line}\n");
        rest = tail;
    }
    *text += &format!("{END}\n");
    Some(())
}

fn bare(line: &str) -> String {
    line.split([' ', '\t']).collect()
}

fn is_base64(line: &str) -> bool {
    line.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b' ' | b'\t'))
}

impl TryFrom<String> for CaPem {
    type Error = TrustError;

    fn try_from(given: String) -> Result<CaPem, TrustError> {
        CaPem::new(&given)
    }
}

impl From<CaPem> for String {
    fn from(pem: CaPem) -> String {
        pem.0
    }
}

#[cfg(test)]
mod tests {
    use kreg_pki::lint::Client;
    use kreg_pki::{Authority, AuthorityRequest, TrustBundle, readers};

    use super::*;

    const CERT: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

    fn trust(pem: &str) -> Result<Trust, TrustError> {
        let id = InstanceId::new("r").unwrap();
        Trust::new(id, "docker-registry:5000".parse().unwrap(), pem)
    }

    #[test]
    fn keeps_certificates_and_drops_the_rest() {
        let given = format!("\u{feff}# my CA\r\n{}{}", CERT.replace('\n', "\r\n"), CERT);
        assert_eq!(trust(&given).unwrap().ca_pem(), format!("{CERT}{CERT}"));
        assert_eq!(trust(CERT.trim_end()).unwrap().ca_pem(), CERT);
    }

    #[test]
    fn refuses_what_must_not_reach_a_node() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nMAo=\n-----END EC PRIVATE KEY-----\n";
        assert_eq!(trust(&format!("{CERT}{key}")), Err(TrustError::PrivateKey));
        assert_eq!(trust(""), Err(TrustError::NoCertificate));
        for broken in [
            "-----BEGIN CERTIFICATE-----\nMAo=\n",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nKREG_EOF $(x)\n-----END CERTIFICATE-----\n",
        ] {
            assert!(
                matches!(trust(broken), Err(TrustError::Malformed { .. })),
                "{broken}"
            );
        }
    }

    /// Each certificate is written, and as every client reads it; or none, with the line.
    #[test]
    fn what_is_written_is_read_by_every_client() {
        let make = |name| Authority::generate(&AuthorityRequest::new(name)).unwrap();
        let (a, b) = (make("a"), make("b"));
        let (one, two) = (a.certificate_pem(), b.certificate_pem());
        let both = [a.certificate().clone(), b.certificate().clone()];
        let indented: String = two.lines().map(|line| format!("\t {line}  \r\n")).collect();
        let wide = two
            .replace('\n', "")
            .replace("E-----", "E-----\n")
            .replace("-----END", "\n-----END");
        for given in [
            format!("\u{feff}{one}\u{feff}{two}"),
            format!("{one}ca.crt: |\n{indented}"),
            format!("{one}{two}").replace('\n', "\r"),
            format!("{one}{wide}"),
            format!("{one}{}", two.replacen('\n', "\n\n", 1)),
        ] {
            let trust = trust(&given).unwrap();
            for client in Client::ALL {
                let read = readers::bundle(trust.ca_pem().as_bytes(), client);
                assert_eq!(read.as_deref(), Ok(&both[..]), "{client}: {given}");
            }
            assert!(readers::oddities(trust.ca_pem().as_bytes()).is_empty());
        }
        for (given, wanted) in [
            (format!("{}{two}", one.trim_end()), "may stand on this line"),
            (format!("text{one}"), "may stand on this line"),
            (
                format!("{one}{}", two.replace("CERT", "TRUSTED CERT")),
                "may stand on this line",
            ),
            (one.replacen('\n', "\nX: y\n\n", 1), "not base64"),
            (one.replacen("\nM", "\n=M", 1), "not base64"),
        ] {
            let error = trust(&given).unwrap_err().to_string();
            assert!(
                error.contains(wanted) && error.contains(" at line "),
                "{error}"
            );
        }
    }

    proptest::proptest! {
        /// However a file is damaged, what is written is what every client reads, and no
        /// certificate of it is lost.
        #[test]
        fn no_certificate_is_lost(
            edits in proptest::collection::vec((0..1200_usize, 0..PIECES.len()), 0..4),
        ) {
            let make = |name| Authority::generate(&AuthorityRequest::new(name)).unwrap();
            let mut given = format!("{}{}", make("a").certificate_pem(), make("b").certificate_pem());
            for (at, piece) in edits {
                let mut at = at.min(given.len());
                while !given.is_char_boundary(at) {
                    at -= 1;
                }
                given.insert_str(at, PIECES[piece]);
            }
            if let Ok(trust) = trust(&given) {
                let held = TrustBundle::from_pem(trust.ca_pem(), "it").unwrap();
                for client in Client::ALL {
                    let read = readers::bundle(trust.ca_pem().as_bytes(), client).unwrap();
                    proptest::prop_assert_eq!(&read[..], held.certificates());
                }
                proptest::prop_assert!(given.matches("BEGIN CERTIFICATE-----").count() == held.len());
            }
        }
    }

    const PIECES: [&str; 12] = [
        "\n",
        "\r",
        "\r\n",
        " ",
        "\t",
        "\u{feff}",
        "-",
        "X: y\n\n",
        "# text\n",
        "text!",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
    ];

    #[test]
    fn brackets_ipv6_and_falls_back_to_the_name() {
        let plain = trust(CERT).unwrap();
        assert_eq!(plain.endpoint_url(), "https://docker-registry:5000");
        let v6 = plain.clone().with_endpoint("fd00::10".parse().unwrap());
        assert_eq!(v6.endpoint_url(), "https://[fd00::10]:5000");
        let named = v6.with_names(NameMode::HostsFile);
        assert_eq!(named.endpoint_url(), "https://docker-registry:5000");
    }
}
