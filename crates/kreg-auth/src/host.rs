//! The registry's name as it stands in an image reference.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::image;

/// The port that an image reference without one means: HTTPS.
const HTTPS_PORT: u16 = 443;

/// A registry's name and port, the part of an image reference before the first `/`.
///
/// Accepted: `docker-registry:5000`, `registry.example.com`, `10.96.0.10:5000`,
/// `[fd00::10]:5000`, `localhost`. Refused, with the reason: a bare `docker-registry`,
/// which every client takes for a user name at Docker Hub; schemes, paths, upper case,
/// and what cannot stand in an image reference at all.
///
/// Two hosts are equal exactly if they print alike: `r.example:443` and `r.example` are
/// reached alike, yet pull secrets and `certs.d` folders keep them apart, and so does this.
///
/// The grammar is that of `distribution/reference` (`splitDockerDomain`, `DomainRegexp`);
/// names must also be RFC 1123 host names, in lower case as Kubernetes has them.
///
/// ```
/// use kreg_auth::RegistryHost;
/// let host: RegistryHost = "docker-registry:5000".parse()?;
/// assert_eq!((host.name(), host.port()), ("docker-registry", 5000));
/// assert_eq!(host.to_string(), "docker-registry:5000");
/// assert!("docker-registry".parse::<RegistryHost>().is_err());
/// # Ok::<(), kreg_auth::HostError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryHost {
    name: String,
    port: Option<u16>,
}

/// Why a text is no [`RegistryHost`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostError {
    /// Neither `.`, `:` nor `localhost`: an image of that name would come from Docker Hub.
    #[error(
        "`{given}` would mean Docker Hub: in an image reference the part before the first `/` is \
         a registry only if it holds a `.` or a `:` (or is `localhost`), so `{given}/app` is the \
         image `app` of the Docker Hub user `{given}`; write the port too, as in `{given}:5000`"
    )]
    DockerHub {
        /// The name as given.
        given: String,
    },
    /// Nothing, or nothing before the port.
    #[error(
        "the registry has no name in `{given}`; write `name:port`, as in `docker-registry:5000`"
    )]
    Empty {
        /// The text as given.
        given: String,
    },
    /// `https://` or another scheme in front.
    #[error("`{given}` has a scheme; image references have none: leave out everything up to `//`")]
    Scheme {
        /// The text as given.
        given: String,
    },
    /// A path, query or user where only name and port belong.
    #[error("`{given}` is more than name and port; leave out the path and any `user@`")]
    Excess {
        /// The text as given.
        given: String,
    },
    /// The port is not a number from 1 to 65535 without leading zeros.
    #[error("`{port}` in `{given}` is no port; write a number from 1 to 65535, as in `:5000`")]
    Port {
        /// The text as given.
        given: String,
        /// The part after the last colon.
        port: String,
    },
    /// The name is neither an RFC 1123 host name nor an address.
    #[error("`{name}` is no registry name: {reason}")]
    Name {
        /// The name without its port.
        name: String,
        /// What is wrong and what to write instead.
        reason: &'static str,
    },
}

impl RegistryHost {
    /// A registry of this name (or address, IPv6 without brackets) at this port.
    ///
    /// # Errors
    /// [`HostError::Name`] if the name cannot stand in an image reference,
    /// [`HostError::Port`] for port 0.
    pub fn new(name: &str, port: u16) -> Result<RegistryHost, HostError> {
        if port == 0 {
            return Err(HostError::Port {
                given: name.to_owned(),
                port: "0".to_owned(),
            });
        }
        let name = match name.parse::<Ipv6Addr>() {
            Ok(address) => ipv6_name(name, address)?,
            Err(_) => dns_name(name)?,
        };
        Ok(RegistryHost {
            name,
            port: Some(port),
        })
    }

    /// The registry that an image reference names: `docker-registry:5000` of
    /// `docker-registry:5000/team/app:v1@sha256:...`.
    ///
    /// # Errors
    /// [`HostError::DockerHub`] if clients would take the reference to Docker Hub, as with
    /// `docker-registry/app`; otherwise as [`RegistryHost::from_str`].
    pub fn of_image(reference: &str) -> Result<RegistryHost, HostError> {
        match image::split_domain(reference) {
            (Some(domain), _) => domain.parse(),
            (None, _) => Err(HostError::DockerHub {
                given: reference.split('/').next().unwrap_or_default().to_owned(),
            }),
        }
    }

    /// The name or address without port; IPv6 in its canonical form without brackets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The TCP port that clients connect to; 443 where the name is written without one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(HTTPS_PORT)
    }

    /// The port as written, if one was.
    #[must_use]
    pub fn written_port(&self) -> Option<u16> {
        self.port
    }

    /// The address, if the name is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    /// The base of the registry's API, such as `https://docker-registry:5000`, no `/` at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{self}")
    }
}

impl fmt::Display for RegistryHost {
    /// `name:port` as written in image references; IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for RegistryHost {
    type Err = HostError;

    fn from_str(given: &str) -> Result<RegistryHost, HostError> {
        let owned = || given.to_owned();
        if given.contains("://") {
            return Err(HostError::Scheme { given: owned() });
        }
        if let Some((domain, _)) = given.split_once('/') {
            // `docker-registry/app` is the classic slip: name the trap, not the slash.
            return Err(match image::is_domain(domain) || domain.is_empty() {
                true => HostError::Excess { given: owned() },
                false => HostError::DockerHub {
                    given: domain.to_owned(),
                },
            });
        }
        if given.contains(['@', '?', '#']) {
            return Err(HostError::Excess { given: owned() });
        }
        let (name, port) = split_port(given)?;
        let port = port.map(|port| parse_port(given, port)).transpose()?;
        if name.is_empty() {
            return Err(HostError::Empty { given: owned() });
        }
        let name = match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            Some(inner) => match inner.parse() {
                Ok(address) => ipv6_name(inner, address)?,
                Err(_) => return Err(bad_name(inner, "not an IPv6 address in the brackets")),
            },
            None => dns_name(name)?,
        };
        if port.is_none() && !name.contains(':') && !image::is_domain(&name) {
            return Err(HostError::DockerHub { given: owned() });
        }
        Ok(RegistryHost { name, port })
    }
}

impl TryFrom<String> for RegistryHost {
    type Error = HostError;

    fn try_from(given: String) -> Result<RegistryHost, HostError> {
        given.parse()
    }
}

impl From<RegistryHost> for String {
    fn from(host: RegistryHost) -> String {
        host.to_string()
    }
}

/// The name (brackets kept) and the text after its port colon.
fn split_port(given: &str) -> Result<(&str, Option<&str>), HostError> {
    if given.starts_with('[') {
        return match given.split_once(']') {
            Some((inside, "")) => Ok((&given[..inside.len() + 1], None)),
            Some((inside, rest)) if rest.starts_with(':') => {
                Ok((&given[..inside.len() + 1], Some(&rest[1..])))
            }
            _ => Err(bad_name(
                given,
                "write an IPv6 address as `[fd00::10]:5000`",
            )),
        };
    }
    if given.parse::<Ipv6Addr>().is_ok() || given.matches(':').count() > 1 {
        return Err(bad_name(
            given,
            "an IPv6 address needs brackets, as in `[fd00::10]:5000`, or its port cannot be told",
        ));
    }
    Ok(match given.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (given, None),
    })
}

fn parse_port(given: &str, port: &str) -> Result<u16, HostError> {
    let digits = !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits => Ok(number),
        _ => Err(HostError::Port {
            given: given.to_owned(),
            port: port.to_owned(),
        }),
    }
}

/// The canonical text of the address.
fn ipv6_name(given: &str, address: Ipv6Addr) -> Result<String, HostError> {
    let text = address.to_string();
    if text.contains('.') {
        // The reference grammar allows hexadecimal digits and colons only.
        return Err(bad_name(given, "write the IPv4 address that it stands for"));
    }
    Ok(text)
}

/// An IPv4 address or an RFC 1123 host name in lower case.
fn dns_name(name: &str) -> Result<String, HostError> {
    if name.parse::<Ipv4Addr>().is_ok() {
        return Ok(name.to_owned());
    }
    if name.len() > 253 {
        return Err(bad_name(name, "host names have at most 253 characters"));
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(bad_name(name, "write it in lower case, as Kubernetes does"));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(bad_name(name, "it is empty before, after or between dots"));
        }
        if label.len() > 63 {
            return Err(bad_name(
                name,
                "a part between dots has at most 63 characters",
            ));
        }
        if !label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(bad_name(
                name,
                "only letters a to z, digits, `-` and `.` can stand in an image reference",
            ));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(bad_name(name, "no part may begin or end with `-`"));
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad_name(
            name,
            "a name that ends in a number is read as an IPv4 address, and it is none",
        ));
    }
    Ok(name.to_owned())
}

fn bad_name(name: &str, reason: &'static str) -> HostError {
    HostError::Name {
        name: name.to_owned(),
        reason,
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
