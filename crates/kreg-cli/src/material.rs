//! Which certificates and passwords the registry gets. What the cluster holds is kept for
//! as long as it serves, so that `up` run again changes nothing and no client has to trust anew.

use kreg_auth::{
    Cost, Credentials, ExposeSecret as _, Htpasswd, PullSecret, RegistryHost, SecretString,
};
use kreg_k8s::{Material, S3Keys};
use kreg_pki::{Authority, AuthorityRequest, Issuer as _, Leaf, LeafRequest, San, SelfSigned};
use time::OffsetDateTime;

use crate::args::ProfileArg;
use crate::error::{Error, Tried as _};
use crate::witness;

/// What is there already, read back from the cluster.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) tls_chain_pem: Option<String>,
    pub(crate) tls_key_pem: Option<SecretString>,
    pub(crate) ca_bundle_pem: Option<String>,
    pub(crate) ca_key_pem: Option<SecretString>,
    pub(crate) htpasswd: Option<SecretString>,
    pub(crate) http_secret: Option<SecretString>,
    pub(crate) docker_config_json: Option<SecretString>,
    pub(crate) s3: Option<S3Keys>,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) profile: ProfileArg,
    pub(crate) instance: &'a str,
    pub(crate) host: &'a RegistryHost,
    /// Every name and address that the leaf must cover.
    pub(crate) sans: Vec<San>,
    pub(crate) leaf_days: Option<u32>,
    pub(crate) ca_days: Option<u32>,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<SecretString>,
    pub(crate) cost: Cost,
    /// Where the CA's key is kept, if not in the cluster.
    pub(crate) ca_key: CaKey,
    /// Keys of the S3 server that are given now.
    pub(crate) s3: Option<S3Keys>,
    pub(crate) now: OffsetDateTime,
}

/// The place of the CA's private key.
#[derive(Debug)]
pub(crate) enum CaKey {
    InCluster,
    /// In a file of the operator's; `None` as long as it does not exist.
    Outside(Option<SecretString>),
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) material: Material,
    pub(crate) credentials: Credentials,
    /// A new CA key for the operator's file; to be written before anything that depends on it.
    pub(crate) new_ca_key: Option<SecretString>,
    /// What was made anew, and why, for people.
    pub(crate) made: Vec<String>,
}

pub(crate) fn decide(request: Request<'_>, held: &Held) -> Result<Decision, Error> {
    let mut made = Vec::new();
    let tls = match request.profile {
        ProfileArg::Default => signed(&request, held, &mut made)?,
        ProfileArg::Tutorial => self_signed(&request, held, &mut made)?,
    };
    let (credentials, htpasswd, docker_config_json) = passwords(&request, held, &mut made)?;
    let http_secret = match &held.http_secret {
        Some(secret) => secret.clone(),
        None => Credentials::generate("http")
            .tried("cannot make the registry's http.secret")?
            .password()
            .clone(),
    };
    let s3 = request.s3.or_else(|| held.s3.clone());
    Ok(Decision {
        material: Material {
            tls_chain_pem: tls.leaf.chain_pem(),
            tls_key_pem: tls.leaf.key_pem().clone(),
            ca_bundle_pem: tls.bundle_pem,
            ca_key_pem: tls.ca_key_pem,
            htpasswd,
            http_secret,
            docker_config_json,
            s3,
        },
        credentials,
        new_ca_key: tls.new_ca_key,
        made,
    })
}

struct Tls {
    leaf: Leaf,
    bundle_pem: String,
    ca_key_pem: Option<SecretString>,
    new_ca_key: Option<SecretString>,
}

/// A leaf under a CA of our own.
fn signed(request: &Request<'_>, held: &Held, made: &mut Vec<String>) -> Result<Tls, Error> {
    let key = match &request.ca_key {
        CaKey::InCluster => held.ca_key_pem.as_ref(),
        CaKey::Outside(key) => key.as_ref(),
    };
    let leaf_held = held_leaf(held)?;
    let authority = match (&held.ca_bundle_pem, key) {
        (Some(ca), Some(key)) => {
            let authority = Authority::from_pem(ca, key.expose_secret())
                .tried("the CA that the cluster holds cannot be used");
            Some(match request.ca_key {
                CaKey::InCluster => authority?,
                CaKey::Outside(_) => authority.map_err(|error| error.help(ANOTHER_KEY))?,
            })
        }
        (Some(_), None) => None,
        (None, Some(_)) => {
            return Err(Error::failed("there is a CA key, but the cluster holds no certificate for it").help(
                "an earlier run was cut short before it stored the certificate: move the key file away and run \
                 `kreg up` again; no node trusts that CA yet",
            ));
        }
        (None, None) => {
            made.push("a new CA".to_owned());
            Some(new_authority(request)?)
        }
    };
    let leaf = match (&authority, leaf_held) {
        (authority, Some(leaf)) => match unfit(&leaf, request, authority.as_ref(), held)? {
            None => leaf,
            Some(why) => issue(authority.as_ref(), request, &why, made)?,
        },
        (authority, None) => issue(authority.as_ref(), request, "there was none", made)?,
    };
    let bundle_pem = match (&held.ca_bundle_pem, &authority) {
        (Some(pem), _) => pem.clone(),
        (None, Some(authority)) => authority.certificate_pem(),
        (None, None) => String::new(),
    };
    let own_key = authority
        .as_ref()
        .map(|authority| authority.key_pem().clone());
    let fresh = held.ca_bundle_pem.is_none();
    Ok(match request.ca_key {
        CaKey::InCluster => Tls {
            leaf,
            bundle_pem,
            ca_key_pem: own_key,
            new_ca_key: None,
        },
        CaKey::Outside(_) => Tls {
            leaf,
            bundle_pem,
            ca_key_pem: None,
            new_ca_key: own_key.filter(|_| fresh),
        },
    })
}

/// Several `kreg up` that are all the first keep one CA, but each has written a key.
const ANOTHER_KEY: &str = "if the file of --ca-key holds the key of another CA, move it away and name the one that \
                           holds this CA's; whoever first ran `kreg up` here has it";

fn new_authority(request: &Request<'_>) -> Result<Authority, Error> {
    let mut ca = AuthorityRequest::new(request.instance).issued_at(request.now);
    if let Some(days) = request.ca_days {
        ca = ca.validity_days(days);
    }
    Authority::generate(&ca).tried("cannot make a CA")
}

fn issue(
    authority: Option<&Authority>,
    request: &Request<'_>,
    why: &str,
    made: &mut Vec<String>,
) -> Result<Leaf, Error> {
    let Some(authority) = authority else {
        return Err(Error::failed(format!(
            "a new certificate is needed ({why}), but the CA's private key is not in the cluster"
        ))
        .help("name the file that holds it with --ca-key"));
    };
    made.push(format!("a new certificate ({why})"));
    let mut leaf = LeafRequest::new(request.host.name())
        .sans(request.sans.clone())
        .issued_at(request.now);
    if let Some(days) = request.leaf_days {
        leaf = leaf.validity_days(days);
    }
    authority
        .issue(&leaf)
        .tried("cannot issue the registry's certificate")
}

/// The tutorial's form: the certificate is its own anchor.
fn self_signed(request: &Request<'_>, held: &Held, made: &mut Vec<String>) -> Result<Tls, Error> {
    let kept = match held_leaf(held)? {
        Some(leaf) => unfit(&leaf, request, None, held)?.map_or(Ok(leaf), Err),
        None => Err("there was none".to_owned()),
    };
    let leaf = match kept {
        Ok(leaf) => leaf,
        Err(why) => {
            made.push(format!("a new self-signed certificate ({why})"));
            let wanted = SelfSigned::request(request.host.name())
                .tried("the registry's name cannot stand in a certificate")?
                .sans(request.sans.clone())
                .issued_at(request.now);
            let wanted = match request.leaf_days {
                Some(days) => wanted.validity_days(days),
                None => wanted,
            };
            SelfSigned
                .issue(&wanted)
                .tried("cannot make the self-signed certificate")?
        }
    };
    let bundle_pem = SelfSigned.trust(&leaf).to_pem();
    Ok(Tls {
        leaf,
        bundle_pem,
        ca_key_pem: None,
        new_ca_key: None,
    })
}

fn held_leaf(held: &Held) -> Result<Option<Leaf>, Error> {
    let (Some(chain), Some(key)) = (&held.tls_chain_pem, &held.tls_key_pem) else {
        return Ok(None);
    };
    Leaf::from_pem(chain, key.expose_secret())
        .map(Some)
        .tried("the certificate that the cluster holds cannot be read")
}

/// Why a leaf has to be replaced, if it has to.
fn unfit(
    leaf: &Leaf,
    request: &Request<'_>,
    authority: Option<&Authority>,
    held: &Held,
) -> Result<Option<String>, Error> {
    let own = leaf.certificate();
    let missing = own.missing(&request.sans);
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
        return Ok(Some(format!(
            "the old one does not cover {}",
            names.join(", ")
        )));
    }
    if own.needs_renewal(request.now, own.renewal_threshold()) {
        return Ok(Some(format!(
            "the old one ends on {}",
            own.not_after().date()
        )));
    }
    if request.profile == ProfileArg::Default {
        let signed = match (authority, &held.ca_bundle_pem) {
            (Some(authority), _) => own.is_issued_by(authority.certificate()),
            (None, Some(pem)) => {
                kreg_pki::TrustBundle::from_pem(pem, "the CA that the cluster holds")
                    .tried("the CA that the cluster holds cannot be read")?
                    .certificates()
                    .iter()
                    .any(|ca| own.is_issued_by(ca))
            }
            (None, None) => false,
        };
        if !signed {
            return Ok(Some("the old one is not signed by this CA".to_owned()));
        }
    }
    Ok(None)
}

fn passwords(
    request: &Request<'_>,
    held: &Held,
    made: &mut Vec<String>,
) -> Result<(Credentials, SecretString, SecretString), Error> {
    let key = request.host.to_string();
    let mut pull = match &held.docker_config_json {
        Some(json) => PullSecret::parse(json.expose_secret().as_bytes())
            .tried("the pull secret that the cluster holds cannot be read")?,
        None => PullSecret::new(),
    };
    let known = pull.get(&key);
    let user = request
        .user
        .map(str::to_owned)
        .or_else(|| known.as_ref().map(|auth| auth.username().to_owned()))
        .unwrap_or_else(|| request.profile.user().to_owned());
    witness::refuse_name(&user)?;
    let kept = known
        .as_ref()
        .filter(|auth| auth.username() == user)
        .map(|auth| auth.password().clone());
    let credentials = match request.password.clone().or(kept) {
        Some(password) => Credentials::new(user, password),
        None => {
            made.push(format!("a password for user {user}"));
            Credentials::generate(user)
        }
    }
    .map_err(|cause| {
        Error::usage("these credentials would not work with a registry").because(&cause)
    })?;

    let mut users = Htpasswd::parse(
        held.htpasswd
            .as_ref()
            .map(|text| text.expose_secret().to_owned())
            .unwrap_or_default(),
    );
    if !users
        .check(credentials.username(), credentials.password())
        .is_accepted()
    {
        made.push(format!(
            "an htpasswd entry for user {}",
            credentials.username()
        ));
        users
            .set(&credentials, request.cost)
            .tried("cannot write the htpasswd entry")?;
    }
    users
        .validate()
        .tried("the htpasswd file that the cluster holds would not be accepted by the registry")?;

    let same = known.is_some_and(|auth| {
        auth.username() == credentials.username()
            && auth.password().expose_secret() == credentials.password().expose_secret()
    });
    if !same {
        pull.insert(request.host, &credentials);
    }
    // Bytes that are right stay as they are, whoever wrote them.
    let json = match &held.docker_config_json {
        Some(json) if same => json.clone(),
        _ => pull.to_json(),
    };
    let htpasswd = String::from_utf8(users.to_bytes()).map_err(|cause| {
        Error::failed("the htpasswd file that the cluster holds is not UTF-8").because(&cause)
    })?;
    Ok((credentials, htpasswd.into(), json))
}

#[cfg(test)]
#[path = "material_tests.rs"]
mod tests;
