//! The taint that keeps ordinary Pods off a node until it has proven that it pulls.

use crate::rules::{self, SpecError};

/// The key of a startup taint; any value and any effect of it are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupTaint(String);

impl StartupTaint {
    /// The key unless told otherwise.
    pub const KEY: &'static str = "kreg.dev/untrusted";

    /// A key such as [`StartupTaint::KEY`]: a domain, a slash and a name.
    ///
    /// # Errors
    /// If it has another form, or a domain of Kubernetes' own: those taints are its controllers' to put and to lift.
    pub fn new(key: &str) -> Result<Self, SpecError> {
        let rule = "a startup taint's key must be a DNS-1123 subdomain, '/', and 1 to 63 of A-Z, a-z, 0-9, '-', '_' and \
                    '.', beginning and ending with a letter or digit, such as kreg.dev/untrusted";
        let broken = |rule| SpecError::new("startup taint", rule, key);
        let (domain, name) = key.split_once('/').ok_or_else(|| broken(rule))?;
        rules::dns_subdomain("startup taint", domain).map_err(|_| broken(rule))?;
        let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let sound = name.len() <= 63
            && end(name.chars().next())
            && end(name.chars().next_back())
            && name.chars().all(inner);
        if !sound {
            return Err(broken(rule));
        }
        let kubernetes = ["kubernetes.io", "k8s.io"]
            .iter()
            .any(|own| domain == *own || domain.ends_with(&format!(".{own}")));
        match kubernetes {
            true => Err(broken(
                "taints of kubernetes.io and k8s.io are those of Kubernetes' controllers, which lift them themselves",
            )),
            false => Ok(StartupTaint(key.to_owned())),
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl Default for StartupTaint {
    fn default() -> Self {
        StartupTaint(Self::KEY.to_owned())
    }
}
