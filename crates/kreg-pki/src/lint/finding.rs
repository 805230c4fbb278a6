//! What lint says.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

/// One thing that is wrong, or will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Which rule, stable across versions.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The certificate or file it is about, in words.
    pub subject: String,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// The TLS clients that refuse the registry, or the file, because of it.
    pub refused_by: BTreeSet<Client>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Some client refuses the registry, or a secret lies open.
    Error,
    /// It works today and will surprise somebody later.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// The three TLS stacks that meet a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// `crypto/x509`: containerd, Docker, CRI-O, podman, skopeo, the kubelet.
    Go,
    /// curl, Python, apt; judged at security level 2, the default of Debian,
    /// Ubuntu and Red Hat.
    OpenSsl,
    /// rustls with webpki: kreg itself, and cargo-era tools.
    Rustls,
}

impl Client {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Go, Self::OpenSsl, Self::Rustls];
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "Go",
            Self::OpenSsl => "OpenSSL",
            Self::Rustls => "rustls",
        })
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $code:ident = $text:literal, $remedy:literal;)+) => {
        /// The rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $code,)+ }

        impl Code {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$code,)+];

            /// The name in output: `ca-as-leaf`, …
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$code => $remedy,)+ }
            }
        }
    };
}

codes! {
    /// A file holds no certificate, or one that cannot be read.
    Unreadable = "unreadable", "export the certificate again as PEM";
    /// Some clients read less of a file than stands in it.
    ReadUnevenly = "read-unevenly",
        "write it again: BEGIN line, base64 in lines of 64 characters and END line, each from the first \
         column, without headers, byte order mark or anything else on these lines";
    /// A private key in a file that is handed out.
    PrivateKeyInBundle = "private-key-in-bundle",
        "remove the key block; if the file was ever copied, replace the key";
    /// The key belongs to another certificate.
    KeyMismatch = "key-mismatch", "give the key that the certificate was made with";
    /// The private key itself cannot be used.
    KeyUnusable = "key-unusable", "give an unencrypted ECDSA P-256, P-384 or RSA key as PEM";
    /// The server's own certificate is not the first of its file.
    ChainOrder = "chain-order", "put the server's own certificate first";
    /// No trusted certificate leads to the leaf.
    Untrusted = "untrusted", "trust the CA that issued it, or issue it again under the trusted CA";
    /// The trusted certificate is an intermediate, not a root.
    AnchorNotRoot = "anchor-not-root", "put the self-signed root into the trust file as well";
    /// The leaf itself is trusted, although another certificate issued it.
    LeafAsAnchor = "leaf-as-anchor", "trust the CA that issued it instead";
    /// The server certificate says CA:TRUE.
    CaAsLeaf = "ca-as-leaf",
        "issue a leaf with CA:FALSE (openssl req -x509 needs -addext basicConstraints=CA:FALSE)";
    /// The server certificate's key usage forbids serving.
    LeafKeyUsage = "leaf-key-usage", "issue it with key usage digitalSignature";
    /// Extended key usage leaves out serverAuth.
    EkuWrong = "eku-wrong", "issue it with extended key usage serverAuth; leave it out of a CA";
    /// No extended key usage at all.
    EkuAbsent = "eku-absent", "issue it with extended key usage serverAuth, which macOS demands";
    /// A common name and no subject alternative name.
    NoSan = "no-san", "issue it with the registry's names as subject alternative names";
    /// An IP address written as a DNS name.
    IpAsDns = "ip-as-dns", "issue it with the address as an IP name (IP:10.96.0.50, not DNS:)";
    /// A name that some clients do not accept.
    OddName = "odd-name", "issue it without this name";
    /// An endpoint that the certificate does not name.
    NameNotCovered = "name-not-covered", "issue it with this name, or use one that it has";
    /// Past its last day.
    Expired = "expired", "renew it; if it is a CA, rotate to a new one";
    /// Before its first day.
    NotYetValid = "not-yet-valid", "set the clock right, or wait, or issue it backdated";
    /// Valid for longer than some clients allow.
    LongLived = "long-lived", "issue it for 825 days at most, which macOS demands";
    /// A certificate that issues others without being a CA.
    IssuerNotCa = "issuer-not-ca", "make the CA again with critical CA:TRUE";
    /// A CA that may not sign certificates.
    IssuerKeyUsage = "issuer-key-usage", "make the CA again with key usage keyCertSign";
    /// More intermediates than a CA allows below it.
    PathTooLong = "path-too-long", "issue the leaf closer to the root, or raise its pathlen";
    /// A CA that limits kinds of names that are not evaluated here.
    NameConstraints = "name-constraints", "check that the subject lies inside the limits";
    /// A name that a CA above may not issue for.
    NameForbidden = "name-forbidden", "issue it without this name, or under another CA";
    /// The certificate names another issuer key than the one that signed it.
    IssuerMismatch = "issuer-mismatch",
        "issue it again; if the CA was renewed, keep its key identifier and serial number";
    /// Another certificate bears the issuer's name, and nothing in this one tells them apart.
    IssuerAmbiguous = "issuer-ambiguous",
        "issue it again with an authority key identifier; OpenSSL tries one issuer only";
    /// A critical extension that some clients do not know.
    CriticalExtension = "critical-extension",
        "issue it without this extension, or with it marked as not critical";
    /// CA and leaf have the same subject.
    SameSubject = "same-subject", "issue the leaf with a subject of its own";
    /// An RSA key under 2048 bits.
    WeakKey = "weak-key", "make it again with ECDSA P-256 or RSA of 2048 bits and more";
    /// A kind of key that not all clients know.
    UnevenKey = "uneven-key", "make it again with ECDSA P-256 or P-384";
    /// Signed with MD5, SHA-1 or SHA-224.
    WeakSignature = "weak-signature", "have it signed again with SHA-256";
    /// A serial number that is not positive.
    BadSerial = "bad-serial", "issue it again with a positive serial number";
    /// The certificate vouches for itself.
    SelfSignedLeaf = "self-signed-leaf",
        "use a CA, so that a renewal need not reach every node first";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Finding {
    /// Takes the clients out that find a better path.
    pub(super) fn excuse(&mut self, accepting: &BTreeSet<Client>) {
        self.refused_by.retain(|client| !accepting.contains(client));
        self.severity = severity(self.code, &self.refused_by);
    }

    /// Makes a finding; it is an error exactly if a client refuses or the
    /// rule is about an unusable or disclosed file.
    pub(super) fn new(
        code: Code,
        subject: impl Into<String>,
        message: impl Into<String>,
        refused_by: impl IntoIterator<Item = Client>,
    ) -> Self {
        let refused_by: BTreeSet<_> = refused_by.into_iter().collect();
        Self {
            code,
            severity: severity(code, &refused_by),
            subject: subject.into(),
            message: message.into(),
            remedy: code.remedy(),
            refused_by,
        }
    }
}

fn severity(code: Code, refused_by: &BTreeSet<Client>) -> Severity {
    let always = matches!(
        code,
        Code::Unreadable | Code::PrivateKeyInBundle | Code::KeyUnusable
    );
    if always || !refused_by.is_empty() {
        Severity::Error
    } else {
        Severity::Warning
    }
}

/// `error ca-as-leaf: CN=registry: it says CA:TRUE (refused by rustls); issue …`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}: {}",
            self.severity, self.code, self.subject, self.message
        )?;
        if !self.refused_by.is_empty() {
            let names: Vec<_> = self.refused_by.iter().map(Client::to_string).collect();
            write!(f, " (refused by {})", names.join(", "))?;
        }
        write!(f, "; {}", self.remedy)
    }
}
