//! One certificate that vouches for itself, as in many a tutorial.

use crate::{Certificate, Error, Issuer, KeyAlgorithm, Leaf, LeafRequest, PrivateKey, TrustBundle};

/// Makes certificates that are their own trust anchor: the form of
/// `openssl req -x509 -newkey rsa:4096 -days 365`, with one difference. That
/// command writes `CA:TRUE`, which rustls refuses in a server certificate;
/// this writes `CA:FALSE`, which Go, OpenSSL and rustls all accept.
///
/// Each renewal makes a new anchor that must reach every node before the
/// registry serves it. Prefer an [`Authority`](crate::Authority) where you can.
///
/// ```no_run
/// use kreg_pki::{Issuer, SelfSigned};
/// let issuer = SelfSigned;
/// let leaf = issuer.issue(&SelfSigned::request("docker-registry")?)?;
/// assert_eq!(issuer.trust(&leaf).to_pem(), leaf.chain_pem());
/// # Ok::<(), kreg_pki::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SelfSigned;

impl SelfSigned {
    /// The usual request: RSA 4096, 365 days, `CN=name` and SAN `DNS:name`.
    ///
    /// # Errors
    /// [`Error::San`] if `name` is not a host name.
    pub fn request(name: &str) -> Result<LeafRequest, Error> {
        Ok(LeafRequest::new(name)
            .sans([name.parse()?])
            .algorithm(KeyAlgorithm::Rsa4096)
            .validity_days(365))
    }
}

impl Issuer for SelfSigned {
    fn issue(&self, request: &LeafRequest) -> Result<Leaf, Error> {
        let params = request.params()?;
        let key = PrivateKey::generate(request.algorithm)?;
        let signed = params.self_signed(key.pair()).map_err(Error::generate(
            "sign the server certificate with its own key",
        ))?;
        Ok(Leaf::new(vec![Certificate::from_der(signed.der())?], key))
    }

    fn trust(&self, leaf: &Leaf) -> TrustBundle {
        leaf.certificate().clone().into()
    }
}
