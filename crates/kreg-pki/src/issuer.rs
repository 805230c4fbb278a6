//! Where server certificates come from.

use crate::{Error, Leaf, LeafRequest, TrustBundle};

/// A source of server certificates: a private authority
/// ([`Authority`](crate::Authority)), the certificate itself
/// ([`SelfSigned`](crate::SelfSigned)), or files made elsewhere
/// ([`External`](crate::External)).
pub trait Issuer {
    /// Makes, or finds, a certificate and key for the request.
    ///
    /// # Errors
    /// Any [`Error`] that says why the request cannot be met; see the
    /// implementation.
    fn issue(&self, request: &LeafRequest) -> Result<Leaf, Error>;

    /// What a client must hold to accept `leaf`, one of this issuer's.
    fn trust(&self, leaf: &Leaf) -> TrustBundle;
}
