//! The CAs of a registry, and where their private keys are.
//!
//! The CA's Secret says what nodes are told to trust (`ca.crt`) and which key signs (`ca.key`);
//! that is all that putting a registry up knows of. While a rotation is under way a Secret beside it keeps both
//! CAs, `old` and `new`, and the last proof: one write makes it, one delete ends it. A key kept
//! outside is FILE; during a rotation FILE.old and FILE.new hold both, and FILE the one that signs.

use std::io;
use std::path::{Path, PathBuf};

use kreg_auth::{ExposeSecret as _, SecretString};
use kreg_k8s::{Kind, Names, ObjectRef, Place, RegistryState, secret};
use kreg_pki::{Authority, Certificate, PrivateKey, TrustBundle, write_secret_file};

use super::elsewhere::refuse_elsewhere;
use crate::error::{CertificatesError, Error, Tried as _};
use crate::intent::KeyLocation;
use crate::registry::{Registry, standing};

/// Whether two CAs are kept, of a rotation that is not at its end.
pub(super) async fn is_rotating(registry: &Registry) -> Result<bool, Error> {
    let Ok(secrets) = Secrets::of(registry.place()) else {
        return Ok(false);
    };
    let (cluster, place) = (registry.cluster().as_ref(), registry.place());
    Ok(secret::read(cluster, place, &secrets.rotation)
        .await?
        .is_some())
}

/// One CA, or the old and the new one of a rotation.
pub(super) struct Keys {
    /// Oldest first.
    authorities: Vec<Authority>,
    signer: usize,
    /// Fingerprint of the certificate that was last proven on every node.
    pub(super) proven: Option<String>,
    secrets: Secrets,
    outside: Option<PathBuf>,
}

struct Secrets {
    ca: ObjectRef,
    rotation: ObjectRef,
}

impl Secrets {
    fn of(place: &Place) -> Result<Self, CertificatesError> {
        let ca = Names::of(place).ca.ok_or(CertificatesError::NoAuthority)?;
        let name = format!("{}-rotation", ca.name());
        let rotation = ObjectRef::new(Kind::Secret, place.namespace(), &name);
        Ok(Secrets { ca, rotation })
    }
}

impl Keys {
    /// Reads them.
    pub(super) async fn read(
        registry: &Registry,
        state: &RegistryState,
        location: &KeyLocation,
    ) -> Result<Self, Error> {
        let (cluster, place) = (registry.cluster().as_ref(), registry.place());
        // Where somebody else issued what is held, that is the reason.
        let lacking = |why: Error| match refuse_elsewhere(place, state) {
            Ok(()) => why,
            Err(elsewhere) => elsewhere.into(),
        };
        let secrets = Secrets::of(place).map_err(|why| lacking(why.into()))?;
        let rotation = secret::read(cluster, place, &secrets.rotation).await?;
        let bundle = standing::bundle(place, state)?;
        let outside = match location {
            KeyLocation::InCluster => None,
            KeyLocation::File(file) => Some(file.as_path()),
        };
        let signing = match outside {
            Some(file) => read_key(file)?,
            None => state.ca_key_pem.clone(),
        }
        .ok_or_else(|| lacking(no_key(outside).into()))?;
        let mut keys = Keys {
            authorities: Vec::new(),
            signer: 0,
            proven: None,
            secrets,
            outside: outside.map(Path::to_owned),
        };
        let Some(entries) = rotation else {
            keys.authorities.push(
                Authority::from_pem(bundle, signing.expose_secret())
                    .tried("the CA that the cluster holds cannot be used")
                    .map_err(lacking)?,
            );
            return Ok(keys);
        };
        for role in Role::BOTH {
            let certificate =
                entries
                    .get(role.certificate())
                    .ok_or_else(|| CertificatesError::HalfRotation {
                        secret: Box::new(keys.secrets.rotation.clone()),
                        lacks: role.certificate(),
                    })?;
            let own = Certificate::all_from_pem(certificate.expose_secret(), role.name())
                .tried(format!("cannot read the {} CA", role.name()))?;
            let candidates = match outside {
                Some(file) => vec![Some(signing.clone()), read_key(&role.beside(file))?],
                None => vec![entries.get(role.key()).cloned()],
            };
            let key = candidates
                .into_iter()
                .flatten()
                .find(|key| owns(key, &own))
                .ok_or_else(|| no_key(outside.map(|file| role.beside(file)).as_deref()))?;
            keys.authorities.push(
                Authority::from_pem(certificate.expose_secret(), key.expose_secret())
                    .tried(format!("the {} CA cannot be used", role.name()))?,
            );
        }
        keys.signer = keys
            .authorities
            .iter()
            .position(|authority| owns(&signing, std::slice::from_ref(authority.certificate())))
            .ok_or(CertificatesError::StrangeKey)?;
        keys.proven = entries
            .get("proven")
            .map(|text| text.expose_secret().to_owned());
        Ok(keys)
    }

    pub(super) fn certificates(&self) -> Vec<Certificate> {
        let own = |authority: &Authority| authority.certificate().clone();
        self.authorities.iter().map(own).collect()
    }

    /// The one that signs.
    pub(super) fn signer(&self) -> &Authority {
        // `signer` is an index found in the list, or the first of one.
        &self.authorities[self.signer]
    }

    pub(super) fn of(&self, certificate: &Certificate) -> Result<&Authority, Error> {
        self.authorities
            .iter()
            .find(|authority| authority.certificate() == certificate)
            .ok_or_else(|| CertificatesError::NoKeyFor(certificate.subject().to_owned()).into())
    }

    /// Keeps a new CA beside the one there is.
    pub(super) async fn add(&self, registry: &Registry, new: &Authority) -> Result<(), Error> {
        let mut entries = secret::Entries::new();
        for (role, authority) in Role::BOTH.into_iter().zip([self.signer(), new]) {
            entries.insert(
                role.certificate().to_owned(),
                authority.certificate_pem().into(),
            );
            match &self.outside {
                // Before the Secret: a CA that the cluster knows of has a key.
                Some(file) => write_key(&role.beside(file), authority.key_pem())?,
                None => {
                    entries.insert(role.key().to_owned(), authority.key_pem().clone());
                }
            }
        }
        let (cluster, place) = (registry.cluster().as_ref(), registry.place());
        secret::put(cluster, place, &self.secrets.rotation, &entries)
            .await
            .tried("cannot keep the new CA")
    }

    /// What nodes are told to trust from now on, and who signs, in one write.
    pub(super) async fn publish(
        &self,
        registry: &Registry,
        bundle: &TrustBundle,
        signer: &Authority,
    ) -> Result<(), Error> {
        if let Some(file) = &self.outside
            && signer.certificate() != self.signer().certificate()
        {
            write_key(file, signer.key_pem())?;
        }
        let inside = self.outside.is_none();
        let (cluster, place) = (registry.cluster().as_ref(), registry.place());
        secret::edit_all(cluster, place, &self.secrets.ca, |entries| {
            entries.insert("ca.crt".to_owned(), bundle.to_pem().into());
            if inside {
                entries.insert("ca.key".to_owned(), signer.key_pem().clone());
            }
            Ok::<_, Error>(())
        })
        .await
        .map(drop)
    }

    /// Remembers that every node was seen to pull under this certificate.
    pub(super) async fn note_proven(
        &self,
        registry: &Registry,
        leaf: &Certificate,
    ) -> Result<(), Error> {
        let (cluster, place) = (registry.cluster().as_ref(), registry.place());
        secret::edit_all(cluster, place, &self.secrets.rotation, |entries| {
            entries.insert("proven".to_owned(), leaf.fingerprint().to_owned().into());
            Ok::<_, Error>(())
        })
        .await
        .map(drop)
    }

    /// Ends the rotation: only the one that signs is kept.
    pub(super) async fn keep_signer_only(&self, registry: &Registry) -> Result<(), Error> {
        let (cluster, place) = (registry.cluster().as_ref(), registry.place());
        secret::remove(cluster, place, &self.secrets.rotation).await?;
        self.tidy()
    }

    /// Removes the files of a rotation that is over; a run may have been killed before it did.
    pub(super) fn tidy(&self) -> Result<(), Error> {
        for role in Role::BOTH {
            let Some(file) = self.outside.as_deref().map(|file| role.beside(file)) else {
                continue;
            };
            match std::fs::remove_file(&file) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CertificatesError::KeyFileLeft { file, source }.into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Old,
    New,
}

impl Role {
    const BOTH: [Self; 2] = [Self::Old, Self::New];

    fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    fn certificate(self) -> &'static str {
        match self {
            Self::Old => "old.crt",
            Self::New => "new.crt",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Old => "old.key",
            Self::New => "new.key",
        }
    }

    fn beside(self, file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".");
        name.push(self.name());
        name.into()
    }
}

fn owns(key: &SecretString, certificates: &[Certificate]) -> bool {
    PrivateKey::from_pem(key.expose_secret(), "the CA's key")
        .is_ok_and(|key| certificates.iter().any(|own| own.belongs_to(&key)))
}

fn read_key(file: &Path) -> Result<Option<SecretString>, CertificatesError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.into())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CertificatesError::KeyFile {
            file: file.to_owned(),
            source,
        }),
    }
}

fn write_key(file: &Path, key: &SecretString) -> Result<(), Error> {
    write_secret_file(file, key).tried("cannot keep the CA's key outside the cluster")
}

fn no_key(outside: Option<&Path>) -> CertificatesError {
    match outside {
        Some(file) => CertificatesError::NoKeyInFile(file.to_owned()),
        None => CertificatesError::NoKeyInCluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_rotation_stand_beside_the_key() {
        let file = Path::new("/keys/ca.key");
        assert_eq!(Role::Old.beside(file), Path::new("/keys/ca.key.old"));
        assert_eq!(Role::New.beside(file), Path::new("/keys/ca.key.new"));
    }
}
