//! What a registry is to be, and what follows from it with what the cluster holds.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kreg_auth::{Cost, SecretString};
use kreg_k8s::{Names, Place, Profile, RegistrySpec, RegistryState, S3Keys, WorkloadState};
use kreg_nodes::Trust;
use kreg_pki::{Authority, AuthorityRequest, External, San};
use time::OffsetDateTime;

use crate::error::{Error, IntentError, Tried as _};
use crate::issued::Issued;
use crate::material::{self, CaKey, Decision, Held, Request};
use crate::nodes;
use crate::registry::Registry;

/// What a registry is to be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Intent {
    /// Its objects. What it says of the place is what the registry's own place replaces.
    pub spec: RegistrySpec,
    /// Names and addresses that its certificate covers besides its own.
    pub sans: Vec<San>,
    /// For how many days a leaf is issued, at most 397; by default [`kreg_pki::LEAF_DAYS`].
    pub leaf_days: Option<u32>,
    /// For how many days a CA is made; by default 3650.
    pub ca_days: Option<u32>,
    /// Where the CA's private key is kept.
    pub ca_key: KeyLocation,
    /// A certificate that was issued elsewhere, in place of one of a CA of its own.
    pub issued: Option<Issued>,
    /// Who pulls and pushes; by default the one who does already, else a user of the profile's name.
    pub user: Option<String>,
    /// With which password; by default the one that is there, else a new one.
    pub password: Option<SecretString>,
    /// What a guess at that password costs.
    pub cost: Cost,
    /// Keys of the S3 server that holds the images.
    pub s3: Option<S3Keys>,
    /// Whether objects, files and directories are taken over that nobody knows to be this registry's.
    pub adopt: bool,
    /// Whether its images may be somewhere else than before, where there are none.
    pub change_storage: bool,
    /// Whether the runtime of a node may be restarted once, where its configuration demands it.
    pub restart_runtimes: bool,
    /// The longest that any single wait may take; by default three minutes.
    pub timeout: Duration,
}

/// Where a CA's private key is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyLocation {
    /// In a Secret of the cluster.
    #[default]
    InCluster,
    /// In this file and nowhere else.
    File(PathBuf),
}

impl Intent {
    /// The registry with all defaults of its profile.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        Self::new(RegistrySpec::new(registry.place().clone()))
    }

    /// A registry of `spec`, with everything else as it is or by default.
    #[must_use]
    pub fn new(spec: RegistrySpec) -> Self {
        Intent {
            spec,
            sans: Vec::new(),
            leaf_days: None,
            ca_days: None,
            ca_key: KeyLocation::default(),
            issued: None,
            user: None,
            password: None,
            cost: Cost::default(),
            s3: None,
            adopt: false,
            change_storage: false,
            restart_runtimes: false,
            timeout: Duration::from_secs(180),
        }
    }

    /// Every name and address that the certificate must cover.
    pub(crate) fn covered(&self, place: &Place, address: IpAddr) -> Result<Vec<San>, Error> {
        let mut sans = Vec::new();
        for name in place.certificate_names(Some(address)) {
            let san = name.parse();
            sans.push(san.tried(format!("{name} cannot stand in a certificate"))?);
        }
        sans.extend(self.sans.iter().cloned());
        Ok(sans)
    }

    /// The certificate that was issued elsewhere, if there is one, fit for the registry at `address`.
    pub(crate) async fn external(
        &self,
        registry: &Registry,
        address: IpAddr,
    ) -> Result<Option<External>, Error> {
        let Some(issued) = &self.issued else {
            return Ok(None);
        };
        let sans = self.covered(registry.place(), address)?;
        let now = OffsetDateTime::now_utc();
        registry.external(issued, &sans, now).await.map(Some)
    }

    /// Certificates and passwords for the registry at `address`. Writes nothing anywhere.
    pub(crate) fn propose(
        &self,
        registry: &Registry,
        address: IpAddr,
        state: &RegistryState,
        external: Option<&External>,
    ) -> Result<Decision, Error> {
        let place = registry.place();
        let host = registry.host()?;
        let ca_key = match &self.ca_key {
            KeyLocation::InCluster => CaKey::InCluster,
            KeyLocation::File(path) => CaKey::Outside(read_key(path)?),
        };
        let request = Request {
            profile: place.profile(),
            instance: place.instance(),
            host: &host,
            sans: self.covered(place, address)?,
            leaf_days: self.leaf_days,
            ca_days: self.ca_days,
            user: self.user.as_deref(),
            password: self.password.clone(),
            cost: self.cost,
            ca_key,
            external,
            s3: self.s3.clone(),
            now: OffsetDateTime::now_utc(),
        };
        Ok(material::decide(request, &Held::from(state))?)
    }

    /// The same; a new CA key that is kept outside is written first.
    pub(crate) fn decide(
        &self,
        registry: &Registry,
        address: IpAddr,
        state: &RegistryState,
        external: Option<&External>,
    ) -> Result<Decision, Error> {
        let decision = self.propose(registry, address, state, external)?;
        if let (KeyLocation::File(path), Some(key)) = (&self.ca_key, &decision.new_ca_key) {
            kreg_pki::write_new_secret_file(path, key)
                .tried(format!("cannot write the CA's key to {}", path.display()))?;
        }
        Ok(decision)
    }

    /// What is held now, or, before there is a CA, a stand-in of the same shape: enough to ask every node whether it
    /// could be done.
    pub(crate) fn provisional_trust(
        &self,
        registry: &Registry,
        state: &RegistryState,
    ) -> Result<Trust, Error> {
        let bundle = match &state.ca_bundle_pem {
            Some(pem) => pem.clone(),
            None => Authority::generate(&AuthorityRequest::new(registry.place().instance()))
                .tried("cannot make a CA")?
                .certificate_pem(),
        };
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        self.trust(
            registry.place(),
            state.cluster_ip.unwrap_or(unknown),
            &bundle,
        )
    }

    /// What every node must come to hold.
    pub(crate) fn trust(
        &self,
        place: &Place,
        address: IpAddr,
        bundle_pem: &str,
    ) -> Result<Trust, Error> {
        let trust = nodes::trust(place, address, bundle_pem)?;
        Ok(trust
            .with_restart(self.restart_runtimes)
            .with_adopt(self.adopt))
    }
}

impl Registry {
    /// The registry as it is asked for, at the address it has or had; fails if it cannot be put there.
    pub(crate) async fn fit(
        &self,
        intent: &Intent,
        state: &RegistryState,
    ) -> Result<RegistrySpec, Error> {
        let spec = intent.spec.clone().with_place(self.place().clone());
        let spec = spec.tried("this registry cannot be in that place")?;
        let cluster = self.cluster().as_ref();
        self.check_namespace(intent, state).await?;
        check_storage(intent, &spec, state)?;
        if spec.storage().bucket().is_some() && intent.s3.is_none() && state.s3.is_none() {
            return Err(IntentError::NoS3Keys.into());
        }
        kreg_k8s::claim::check(cluster, &spec, self.facts())
            .await
            .tried("the registry cannot store its images there; nothing was changed")?;
        let pinned = spec.cluster_ip().or(state.cluster_ip);
        let spec = spec.with_cluster_ip(pinned);
        kreg_k8s::address::check(cluster, &spec)
            .await
            .tried("the registry cannot have its address; nothing was changed")?;
        Ok(spec)
    }

    async fn check_namespace(&self, intent: &Intent, state: &RegistryState) -> Result<(), Error> {
        let place = self.place();
        let chosen = place.earlier() || intent.adopt || place.profile() == Profile::Tutorial;
        if chosen || self.is_namespace_known() || state.inventory.is_some() {
            return Ok(());
        }
        let namespace = Names::of(place).namespace;
        let live = self.cluster().get(&namespace).await;
        if live.tried(format!("cannot look at {namespace}"))?.is_none() {
            return Ok(());
        }
        Err(IntentError::Namespace {
            namespace: place.namespace().to_owned(),
        }
        .into())
    }
}

fn check_storage(
    intent: &Intent,
    spec: &RegistrySpec,
    state: &RegistryState,
) -> Result<(), IntentError> {
    let declared = state.inventory.as_ref();
    let declared = declared.and_then(|known| known.declared.as_ref());
    let Some(before) = declared.map(|declared| &declared.storage) else {
        return Ok(());
    };
    let wanted = spec.storage();
    // One whose storage never came up stores nothing yet, and another is its remedy.
    let has_run = state.tls_chain_pem.is_some() || state.workload != WorkloadState::Absent;
    if intent.change_storage || !has_run || before.is_same_place(wanted) {
        return Ok(());
    }
    Err(IntentError::OtherStorage {
        before: before.to_string(),
        wanted: wanted.to_string(),
    })
}

fn read_key(path: &Path) -> Result<Option<SecretString>, IntentError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.into())),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IntentError::Key {
            path: path.to_owned(),
            source,
        }),
    }
}
