//! Name constraints (RFC 5280 section 4.2.1.10): what a CA may issue for.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints};

use crate::San;

/// The constraints of one CA on DNS names and addresses.
pub(super) struct Limits {
    permitted: Vec<Limit>,
    excluded: Vec<Limit>,
    /// Some are about other kinds of names (directories, e-mail, URIs).
    pub(super) has_others: bool,
}

enum Limit {
    Dns(String),
    /// Address and mask, four or sixteen bytes each.
    Net(Vec<u8>, Vec<u8>),
}

impl Limits {
    pub(super) fn read(constraints: &NameConstraints<'_>) -> Self {
        let mut limits = Self {
            permitted: Vec::new(),
            excluded: Vec::new(),
            has_others: false,
        };
        let mut read = |trees: &Option<Vec<GeneralSubtree<'_>>>| -> Vec<Limit> {
            let read: Vec<_> = trees.iter().flatten().map(Limit::read).collect();
            limits.has_others |= read.iter().any(Option::is_none);
            read.into_iter().flatten().collect()
        };
        let permitted = read(&constraints.permitted_subtrees);
        let excluded = read(&constraints.excluded_subtrees);
        Self {
            permitted,
            excluded,
            ..limits
        }
    }

    /// Whether the CA may not issue for this name: it is excluded, or names of its kind are
    /// permitted and it is none of them.
    pub(super) fn forbid(&self, name: &San) -> bool {
        let mut of_its_kind = self
            .permitted
            .iter()
            .filter(|limit| limit.is_about(name))
            .peekable();
        let excluded = self.excluded.iter().any(|limit| limit.holds(name));
        excluded || of_its_kind.peek().is_some() && !of_its_kind.any(|limit| limit.holds(name))
    }
}

impl Limit {
    fn read(tree: &GeneralSubtree<'_>) -> Option<Self> {
        match &tree.base {
            GeneralName::DNSName(name) => Some(Self::Dns(name.to_ascii_lowercase())),
            GeneralName::IPAddress(bytes) => {
                let (address, mask) = bytes.split_at(bytes.len() / 2);
                Some(Self::Net(address.to_vec(), mask.to_vec()))
            }
            _ => None,
        }
    }

    fn is_about(&self, name: &San) -> bool {
        matches!(
            (self, name),
            (Self::Dns(_), San::Dns(_)) | (Self::Net(..), San::Ip(_))
        )
    }

    /// A name itself and all below it; an address in the network.
    fn holds(&self, name: &San) -> bool {
        match (self, name) {
            (Self::Dns(own), San::Dns(name)) => {
                let name = name.to_ascii_lowercase();
                match name.strip_suffix(own.as_str()) {
                    Some("") => true,
                    Some(above) => own.is_empty() || own.starts_with('.') || above.ends_with('.'),
                    None => false,
                }
            }
            (Self::Net(net, mask), San::Ip(ip)) => {
                let octets = match ip {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets().to_vec(),
                };
                let masked = |(byte, mask): (&u8, &u8)| byte & mask;
                octets.len() == net.len()
                    && octets
                        .iter()
                        .zip(mask)
                        .map(masked)
                        .eq(net.iter().zip(mask).map(masked))
            }
            _ => false,
        }
    }
}
