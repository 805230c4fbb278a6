//! Whether the certificate that the cluster holds was issued elsewhere: then nothing here can sign a new one.

use kreg_k8s::{Names, Place, RegistryState};
use kreg_pki::{AuthorityRequest, Certificate, TrustBundle};

use crate::error::CertificatesError;

/// Fails if it was. What cannot be read is left to the step that needs it.
pub(super) fn refuse_elsewhere(
    place: &Place,
    state: &RegistryState,
) -> Result<(), CertificatesError> {
    let chain = state.tls_chain_pem.as_deref().unwrap_or_default();
    let bundle = state.ca_bundle_pem.as_deref().unwrap_or_default();
    let (Ok(chain), Ok(bundle)) = (
        Certificate::all_from_pem(chain, "the registry's certificate"),
        TrustBundle::from_pem(bundle, "the CA bundle"),
    ) else {
        return Ok(());
    };
    let own = match Names::of(place).ca {
        Some(_) => {
            state.ca_key_pem.is_some()
                || bundle.certificates().iter().any(AuthorityRequest::has_made)
        }
        None => chain[0].is_self_issued(),
    };
    if own {
        Ok(())
    } else {
        Err(CertificatesError::IssuedElsewhere {
            issuer: chain[0].issuer().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kreg_k8s::{ClusterFacts, FolderCluster, Profile};
    use kreg_pki::{Authority, Issuer as _, Leaf, LeafRequest, SelfSigned};

    use super::super::keys::Keys;
    use super::*;
    use crate::error::Error;
    use crate::intent::KeyLocation;
    use crate::registry::Registry;

    /// Why no key is at hand for a registry of nothing but these certificates.
    async fn why(profile: Profile, leaf: &Leaf, bundle: &TrustBundle) -> CertificatesError {
        let folder = tempfile::tempdir().unwrap();
        let cluster = FolderCluster::open(folder.path()).unwrap();
        let facts = ClusterFacts::read(&cluster).await.unwrap();
        let place = Place::new(profile);
        let registry = Registry::claim(Arc::new(cluster), facts, place).await;
        let registry = registry.unwrap();
        let mut state = registry.state().await.unwrap();
        state.tls_chain_pem = Some(leaf.chain_pem());
        state.ca_bundle_pem = Some(bundle.to_pem());
        let keys = Keys::read(&registry, &state, &KeyLocation::InCluster).await;
        match keys.err() {
            Some(Error::Certificates(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_key_that_is_elsewhere_is_told_from_one_that_is_missing() {
        use CertificatesError as E;
        let ca = Authority::generate(&AuthorityRequest::new("r")).unwrap();
        let request = LeafRequest::new("r").sans(["r".parse().unwrap()]);
        let signed = ca.issue(&request).unwrap();
        let alone = SelfSigned.issue(&request).unwrap();
        let anchor = SelfSigned.trust(&alone);

        let error = why(Profile::Default, &signed, &ca.bundle()).await;
        assert!(matches!(error, E::NoKeyInCluster), "{error:?}");
        // No CA of a registry has such a subject.
        match why(Profile::Default, &alone, &anchor).await {
            E::IssuedElsewhere { issuer } => assert_eq!(issuer, "CN=r"),
            other => panic!("{other:?}"),
        }
        let error = why(Profile::Tutorial, &alone, &anchor).await;
        assert!(matches!(error, E::NoAuthority), "{error:?}");
        let error = why(Profile::Tutorial, &signed, &ca.bundle()).await;
        assert!(matches!(error, E::IssuedElsewhere { .. }), "{error:?}");
    }
}
