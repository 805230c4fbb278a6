//! The registry's certificate, and what clients trust. Its issuer is a CA of the registry's own, the certificate itself,
//! or somebody elsewhere.

use kreg_auth::{ExposeSecret as _, SecretString};
use kreg_k8s::Profile;
use kreg_pki::{Authority, AuthorityRequest, Issuer, Leaf, LeafRequest, SelfSigned, TrustBundle};

use super::request::{CaKey, Held, Request, Tried as _};
use crate::error::MaterialError;
use crate::made::{Made, Reason};

pub(super) struct Tls {
    pub(super) leaf: Leaf,
    pub(super) bundle_pem: String,
    pub(super) ca_key_pem: Option<SecretString>,
    pub(super) new_ca_key: Option<SecretString>,
}

pub(super) fn decide(
    request: &Request<'_>,
    held: &Held,
    made: &mut Vec<Made>,
) -> Result<Tls, MaterialError> {
    match (request.external, request.profile) {
        (Some(external), _) => given(external, request, held, made),
        (None, Profile::Tutorial) => self_signed(request, held, made),
        (None, _) => signed(request, held, made),
    }
}

/// A leaf under a CA of the registry's own.
fn signed(request: &Request<'_>, held: &Held, made: &mut Vec<Made>) -> Result<Tls, MaterialError> {
    let authority = authority(request, held, made)?;
    let kept = match held_leaf(held)? {
        Some(leaf) => unfit(&leaf, request)
            .map_or_else(
                || unsigned(&leaf, authority.as_ref(), held),
                |why| Ok(Some(why)),
            )?
            .map_or(Ok(leaf), Err),
        None => Err(Reason::None),
    };
    let leaf = match (kept, &authority) {
        (Ok(leaf), _) => leaf,
        (Err(reason), None) => return Err(MaterialError::NoCaKey { reason }),
        (Err(reason), Some(authority)) => {
            made.push(Made::Certificate(reason));
            issued(authority, LeafRequest::new(request.host.name()), request)?
        }
    };
    let bundle_pem = match (&held.ca_bundle_pem, &authority) {
        (Some(pem), _) => pem.clone(),
        (None, Some(authority)) => authority.trust(&leaf).to_pem(),
        (None, None) => String::new(),
    };
    let own_key = authority.map(|authority| authority.key_pem().clone());
    let (ca_key_pem, new_ca_key) = match request.ca_key {
        CaKey::InCluster => (own_key, None),
        CaKey::Outside(_) => (None, own_key.filter(|_| held.ca_bundle_pem.is_none())),
    };
    Ok(Tls {
        leaf,
        bundle_pem,
        ca_key_pem,
        new_ca_key,
    })
}

/// The CA that signs, if its key is at hand; a new one where there is none.
fn authority(
    request: &Request<'_>,
    held: &Held,
    made: &mut Vec<Made>,
) -> Result<Option<Authority>, MaterialError> {
    let (key, key_is_outside) = match &request.ca_key {
        CaKey::InCluster => (held.ca_key_pem.as_ref(), false),
        CaKey::Outside(key) => (key.as_ref(), true),
    };
    match (&held.ca_bundle_pem, key) {
        (Some(ca), Some(key)) => Authority::from_pem(ca, key.expose_secret())
            .map(Some)
            .map_err(|source| MaterialError::Authority {
                key_is_outside,
                source,
            }),
        (Some(_), None) => Ok(None),
        (None, Some(_)) => Err(MaterialError::KeyWithoutCertificate),
        (None, None) => {
            made.push(Made::Ca);
            let mut ca = AuthorityRequest::new(request.instance).issued_at(request.now);
            if let Some(days) = request.ca_days {
                ca = ca.validity_days(days);
            }
            Authority::generate(&ca).map(Some).tried("cannot make a CA")
        }
    }
}

/// The tutorial's form: the certificate is its own anchor.
fn self_signed(
    request: &Request<'_>,
    held: &Held,
    made: &mut Vec<Made>,
) -> Result<Tls, MaterialError> {
    let kept = match held_leaf(held)? {
        Some(leaf) => unfit(&leaf, request).map_or(Ok(leaf), Err),
        None => Err(Reason::None),
    };
    let leaf = match kept {
        Ok(leaf) => leaf,
        Err(reason) => {
            made.push(Made::SelfSigned(reason));
            let wanted = SelfSigned::request(request.host.name())
                .tried("the registry's name cannot stand in a certificate")?;
            issued(&SelfSigned, wanted, request)?
        }
    };
    Ok(trusted(&SelfSigned, leaf))
}

/// A certificate that was issued elsewhere serves as it is, or not at all.
fn given(
    external: &dyn Issuer,
    request: &Request<'_>,
    held: &Held,
    made: &mut Vec<Made>,
) -> Result<Tls, MaterialError> {
    let wanted = LeafRequest::new(request.host.name())
        .sans(request.sans.clone())
        .issued_at(request.now);
    let given = external.issue(&wanted).map_err(MaterialError::External)?;
    // One that cannot be read is replaced as well.
    let leaf = match held_leaf(held) {
        Ok(Some(leaf)) if leaf.chain() == given.chain() => leaf,
        other => {
            let reason = match other {
                Ok(None) => Reason::None,
                _ => Reason::Another,
            };
            made.push(Made::External(reason));
            given
        }
    };
    Ok(trusted(external, leaf))
}

fn trusted(issuer: &dyn Issuer, leaf: Leaf) -> Tls {
    Tls {
        bundle_pem: issuer.trust(&leaf).to_pem(),
        leaf,
        ca_key_pem: None,
        new_ca_key: None,
    }
}

fn issued(
    issuer: &dyn Issuer,
    wanted: LeafRequest,
    request: &Request<'_>,
) -> Result<Leaf, MaterialError> {
    let mut wanted = wanted.sans(request.sans.clone()).issued_at(request.now);
    if let Some(days) = request.leaf_days {
        wanted = wanted.validity_days(days);
    }
    issuer
        .issue(&wanted)
        .tried("cannot issue the registry's certificate")
}

fn held_leaf(held: &Held) -> Result<Option<Leaf>, MaterialError> {
    let (Some(chain), Some(key)) = (&held.tls_chain_pem, &held.tls_key_pem) else {
        return Ok(None);
    };
    Leaf::from_pem(chain, key.expose_secret())
        .map(Some)
        .tried("the certificate that the cluster holds cannot be read")
}

/// Why a leaf has to be replaced whatever signed it, if it has to.
fn unfit(leaf: &Leaf, request: &Request<'_>) -> Option<Reason> {
    let own = leaf.certificate();
    let missing = own.missing(&request.sans);
    if !missing.is_empty() {
        return Some(Reason::NotCovered(missing));
    }
    own.needs_renewal(request.now, own.renewal_threshold())
        .then(|| Reason::Ends(own.not_after().date()))
}

/// Why clients would not trust it, if they would not.
fn unsigned(
    leaf: &Leaf,
    authority: Option<&Authority>,
    held: &Held,
) -> Result<Option<Reason>, MaterialError> {
    let own = leaf.certificate();
    let signed = match (authority, &held.ca_bundle_pem) {
        (Some(authority), _) => own.is_issued_by(authority.certificate()),
        (None, Some(pem)) => TrustBundle::from_pem(pem, "the CA that the cluster holds")
            .tried("the CA that the cluster holds cannot be read")?
            .certificates()
            .iter()
            .any(|ca| own.is_issued_by(ca)),
        (None, None) => false,
    };
    Ok((!signed).then_some(Reason::NotSigned))
}
