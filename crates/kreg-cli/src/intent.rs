//! What `up` and `plan` are asked for, and what follows from it with what the cluster holds.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use kreg_auth::{Cost, ExposeSecret as _, PasswordSource as Source, SecretString};
use kreg_k8s::taint::StartupTaint;
use kreg_k8s::{Cluster as _, Names, Profile, RegistrySpec, RegistryState, S3Keys, WorkloadState};
use kreg_nodes::Trust;
use kreg_pki::{Authority, AuthorityRequest};
use time::OffsetDateTime;

use crate::app::App;
use crate::args::SpecArgs;
use crate::error::{Error, Tried as _};
use crate::fleet;
use crate::material::{self, CaKey, Decision, Held, Request};
use crate::s3;
use crate::session::Session;
use crate::settings::{self, PASSWORD_VARIABLE, PasswordSource, Wanted};
use crate::spec;
use crate::witness;

/// All that the user asked for, read and checked before the cluster is spoken to.
pub(crate) struct Intent {
    wanted: Wanted,
    /// Of the place that the words name; the cluster may know more of it.
    spec: RegistrySpec,
    password: Option<SecretString>,
    cost: Cost,
    s3: Option<S3Keys>,
    change_storage: bool,
}

impl Intent {
    pub(crate) fn read(app: &App, args: &SpecArgs) -> Result<Self, Error> {
        let place = spec::place(app, &args.target)?;
        let wanted = Wanted::new(&app.config, place.profile().into(), args)?;
        let spec = spec::wanted(place, &wanted)?;
        let s3 = match spec.storage().bucket() {
            Some(_) => wanted.s3.keys()?,
            None => None,
        };
        let cost = settings::bcrypt_cost(wanted.bcrypt_cost)?;
        let source = match &wanted.password {
            PasswordSource::Stdin => Some(Source::Stdin),
            PasswordSource::File(file) => Some(Source::File(file.clone())),
            PasswordSource::Environment => Some(Source::Env(PASSWORD_VARIABLE.to_owned())),
            PasswordSource::KeepOrMake => None,
        };
        let password = source
            .map(|source| {
                source.read().map_err(|cause| {
                    Error::usage("cannot read the user's password").because(&cause)
                })
            })
            .transpose()?;
        if let Some(user) = &wanted.user {
            witness::refuse_name(user)?;
            kreg_auth::check_username(user).map_err(|cause| {
                Error::usage("this user would not work with a registry").because(&cause)
            })?;
        }
        if let Some(password) = &password {
            kreg_auth::check_password(password).map_err(|cause| {
                Error::usage("this password would not work with a registry").because(&cause)
            })?;
        }
        Ok(Self {
            wanted,
            spec,
            password,
            cost,
            s3,
            change_storage: args.change_storage,
        })
    }

    /// Whether the namespace and what the registry stores its images on can be used at all.
    pub(crate) async fn check(
        &self,
        session: &Session,
        spec: &RegistrySpec,
        state: &RegistryState,
    ) -> Result<(), Error> {
        self.check_namespace(session, spec, state).await?;
        self.check_place(spec, state)?;
        if spec.storage().bucket().is_some() && self.s3.is_none() && state.s3.is_none() {
            return Err(s3::missing());
        }
        kreg_k8s::claim::check(&session.cluster, spec, &session.facts)
            .await
            .tried("the registry cannot store its images there; nothing was changed")
    }

    /// The registry as it is asked for, at the address it has or had, if that is not another's by now.
    pub(crate) async fn at_its_address(
        session: &Session,
        spec: RegistrySpec,
        state: &RegistryState,
    ) -> Result<RegistrySpec, Error> {
        let pinned = spec.cluster_ip().or(state.cluster_ip);
        let spec = spec.with_cluster_ip(pinned);
        kreg_k8s::address::check(&session.cluster, &spec)
            .await
            .tried("the registry cannot have its address; nothing was changed")?;
        Ok(spec)
    }

    /// Where tenants make namespaces, one of them may have made this one, and reads what comes to lie in it.
    async fn check_namespace(
        &self,
        session: &Session,
        spec: &RegistrySpec,
        state: &RegistryState,
    ) -> Result<(), Error> {
        let place = spec.place();
        let chosen = place.earlier() || self.adopt() || place.profile() == Profile::Tutorial;
        if chosen || session.is_kregs_namespace || state.inventory.is_some() {
            return Ok(());
        }
        let namespace = Names::of(place).namespace;
        let live = session.cluster.get(&namespace).await;
        if live.tried(format!("cannot look at {namespace}"))?.is_none() {
            return Ok(());
        }
        let name = place.namespace();
        Err(Error::usage(format!(
            "{namespace} is there already, and no registry of kreg's is recorded in it: the account that made it may \
             read the CA's key and the passwords that would lie there; nothing was changed"
        ))
        .help(format!(
            "if only administrators can get at it, say --namespace {name}; else choose another"
        )))
    }

    /// Nobody is to find the registry empty for want of a flag that was given last time.
    fn check_place(&self, spec: &RegistrySpec, state: &RegistryState) -> Result<(), Error> {
        let before = state
            .inventory
            .as_ref()
            .and_then(|known| known.declared.as_ref());
        let Some(before) = before.map(|declared| &declared.storage) else {
            return Ok(());
        };
        let wanted = spec.storage();
        // One whose storage never came up stores nothing yet, and another is its remedy.
        let has_run = state.tls_chain_pem.is_some() || state.workload != WorkloadState::Absent;
        if self.change_storage || !has_run || before.is_same_place(wanted) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "the registry keeps its images at `{before}`; at `{wanted}` it would have none of them; nothing was changed"
        ))
        .help(format!(
            "give its --storage again, or in kreg.toml; to begin without images at `{wanted}` say --change-storage"
        )))
    }

    pub(crate) fn startup_taint(&self) -> Option<&StartupTaint> {
        self.wanted.startup_taint.as_ref()
    }

    pub(crate) fn adopt(&self) -> bool {
        self.wanted.adopt
    }

    pub(crate) fn spec(&self, session: &Session) -> Result<RegistrySpec, Error> {
        let spec = self.spec.clone().with_place(session.place.clone());
        let spec = spec.map_err(|cause| spec::invalid(&cause))?;
        Ok(spec.with_node_agent(session.extras().node_agent))
    }

    /// Certificates and passwords; a new CA key that is kept outside is written first.
    pub(crate) fn decide(
        &self,
        spec: &RegistrySpec,
        address: IpAddr,
        state: &RegistryState,
    ) -> Result<Decision, Error> {
        let decision = self.propose(spec, address, state)?;
        if let (Some(path), Some(key)) = (&self.wanted.ca_key, &decision.new_ca_key) {
            write_key(path, key)?;
        }
        Ok(decision)
    }

    /// The same, with nothing written anywhere.
    pub(crate) fn propose(
        &self,
        spec: &RegistrySpec,
        address: IpAddr,
        state: &RegistryState,
    ) -> Result<Decision, Error> {
        let place = spec.place();
        let host = spec::host(place)?;
        let ca_key = match &self.wanted.ca_key {
            Some(path) => CaKey::Outside(read_key(path)?),
            None => CaKey::InCluster,
        };
        let mut sans = spec::endpoints(place, Some(address))?;
        sans.extend(self.wanted.sans.iter().cloned());
        let request = Request {
            profile: place.profile().into(),
            instance: place.instance(),
            host: &host,
            sans,
            leaf_days: self.wanted.leaf_days,
            ca_days: self.wanted.ca_days,
            user: self.wanted.user.as_deref(),
            password: self.password.clone(),
            cost: self.cost,
            ca_key,
            s3: self.s3.clone(),
            now: OffsetDateTime::now_utc(),
        };
        material::decide(request, &held(state))
    }
}

/// What is held now, or, before there is a CA, a stand-in of the same shape: enough to ask every
/// node whether it could be done.
pub(crate) fn provisional_trust(session: &Session, state: &RegistryState) -> Result<Trust, Error> {
    let bundle = match &state.ca_bundle_pem {
        Some(pem) => pem.clone(),
        None => Authority::generate(&AuthorityRequest::new(session.place.instance()))
            .tried("cannot make a CA")?
            .certificate_pem(),
    };
    let address = state
        .cluster_ip
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    fleet::trust(&session.settings, &session.place, address, &bundle)
}

fn held(state: &RegistryState) -> Held {
    Held {
        tls_chain_pem: state.tls_chain_pem.clone(),
        tls_key_pem: state.tls_key_pem.clone(),
        ca_bundle_pem: state.ca_bundle_pem.clone(),
        ca_key_pem: state.ca_key_pem.clone(),
        htpasswd: state.htpasswd.clone(),
        http_secret: state.http_secret.clone(),
        docker_config_json: state.docker_config_json.clone(),
        s3: state.s3.clone(),
    }
}

fn read_key(path: &Path) -> Result<Option<SecretString>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.into())),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(
            Error::usage(format!("cannot read the CA's key {}", path.display())).because(&cause),
        ),
    }
}

/// 0600, beside its target first, synced, then in place: a crash leaves the old file or the new one.
fn write_key(path: &Path, key: &SecretString) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        use std::io::Write as _;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(key.expose_secret().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|cause| cause.error)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().tried(format!("cannot write the CA's key to {}", path.display()))
}
