//! The real registry in a container, set up as well or as badly as a test wants it.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

pub mod image;

use std::sync::Arc;
use std::time::Duration;

use kreg_auth::{Cost, Credentials, Htpasswd, RegistryHost};
use kreg_pki::{Authority, AuthorityRequest, Issuer, Leaf, LeafRequest};
use kreg_registry::dial::TcpDial;
use kreg_registry::{Pages, RegistryClient, RegistryError, Transport};
use secrecy::ExposeSecret;
use testcontainers::core::{ContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

pub const HOST: &str = "docker-registry:5000";

/// How the registry is set up.
pub struct Setup {
    pub tls: bool,
    pub auth: bool,
    pub delete: bool,
    /// Names in the certificate.
    pub names: Vec<&'static str>,
    /// The certificate's moment of issue, in days from now, and its days of validity.
    pub issued: (i64, u32),
    pub env: Vec<(&'static str, &'static str)>,
    /// Content of the users' file instead of the right one.
    pub htpasswd: Option<&'static str>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            tls: true,
            auth: true,
            delete: false,
            names: vec!["docker-registry", "10.96.0.50"],
            issued: (0, 90),
            env: Vec::new(),
            htpasswd: None,
        }
    }
}

/// A running registry; the container goes when this does.
pub struct Registry {
    pub container: ContainerAsync<GenericImage>,
    pub port: u16,
    pub authority: Authority,
    pub user: Credentials,
    /// The chain that it serves, leaf first; empty without TLS.
    pub chain_pem: String,
}

impl Registry {
    pub async fn start(setup: Setup) -> Registry {
        // Older than any of its leaves.
        let request_ca = AuthorityRequest::new("kreg-test")
            .issued_at(time::OffsetDateTime::now_utc() - time::Duration::days(1000));
        let authority = Authority::generate(&request_ca).unwrap();
        let user = Credentials::new("myuser", "mypasswd").unwrap();
        let chain = setup.tls.then(|| leaf(&setup, &authority));
        let container = request(&setup, chain.as_ref(), &user)
            .start()
            .await
            .expect("Docker with image kreg.test/registry:2.8.2");
        let port = container.get_host_port_ipv4(5000).await.unwrap();
        Registry {
            container,
            port,
            authority,
            user,
            chain_pem: chain.map(|leaf| leaf.chain_pem()).unwrap_or_default(),
        }
    }

    pub fn dial(&self) -> Arc<TcpDial> {
        Arc::new(TcpDial::new(format!("127.0.0.1:{}", self.port)))
    }

    pub fn client(&self) -> RegistryClient {
        let host: RegistryHost = HOST.parse().unwrap();
        let transport = Transport::trusting(&self.authority.certificate_pem()).unwrap();
        RegistryClient::new(host, self.dial(), transport)
            .with_credentials(&self.user)
            .with_timeout(Duration::from_secs(20))
    }
}

/// All that a list has.
pub async fn all(mut pages: Pages) -> Result<Vec<String>, RegistryError> {
    let mut names = Vec::new();
    while let Some(page) = pages.next().await? {
        names.extend(page);
    }
    Ok(names)
}

pub fn leaf(setup: &Setup, authority: &Authority) -> Leaf {
    let issued = time::OffsetDateTime::now_utc() + time::Duration::days(setup.issued.0);
    let leaf = LeafRequest::new("docker-registry")
        .sans(setup.names.iter().map(|name| name.parse().unwrap()))
        .issued_at(issued)
        .validity_days(setup.issued.1);
    authority.issue(&leaf).unwrap()
}

fn request(
    setup: &Setup,
    leaf: Option<&Leaf>,
    user: &Credentials,
) -> ContainerRequest<GenericImage> {
    let mut request = GenericImage::new("kreg.test/registry", "2.8.2")
        .with_exposed_port(ContainerPort::Tcp(5000))
        .with_wait_for(WaitFor::message_on_stderr("listening on "))
        .with_startup_timeout(Duration::from_secs(60))
        .with_env_var("OTEL_TRACES_EXPORTER", "none");
    if let Some(leaf) = leaf {
        request = request
            .with_copy_to("/certs/tls.crt", leaf.chain_pem().into_bytes())
            .with_copy_to(
                "/certs/tls.key",
                leaf.key_pem().expose_secret().as_bytes().to_vec(),
            )
            .with_env_var("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/tls.crt")
            .with_env_var("REGISTRY_HTTP_TLS_KEY", "/certs/tls.key");
    }
    if setup.auth {
        let mut users = Htpasswd::parse("");
        users.add(user, Cost::MIN).unwrap();
        let file = setup
            .htpasswd
            .map_or_else(|| users.to_bytes(), |text| text.as_bytes().to_vec());
        request = request
            .with_copy_to("/auth/htpasswd", file)
            .with_env_var("REGISTRY_AUTH", "htpasswd")
            .with_env_var("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm")
            .with_env_var("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd");
    }
    if setup.delete {
        request = request.with_env_var("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    }
    for (key, value) in &setup.env {
        request = request.with_env_var(*key, *value);
    }
    request
}
