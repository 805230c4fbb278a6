//! The `hosts.toml` that leads containerd to the registry.

use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::Trust;

/// The name of the CA file beside `hosts.toml`.
const CA: &str = "ca.crt";

/// The `hosts.toml` for `trust`, in the one form that containerd 1.6 to 2.x all take.
///
/// The `[host]` table carries the redirect: without any, 1.6 refuses the file (containerd
/// issue 10027). After a 404 there containerd goes on to `server` and reports only that, so
/// it is the same endpoint, with the same `ca`: a name that the node does not know, or an
/// x509 error, would hide that the image is not there. A relative `ca` is relative to this
/// file.
#[must_use]
pub fn hosts_toml(trust: &Trust) -> String {
    let mut doc = DocumentMut::new();
    doc.insert("server", value(trust.endpoint_url()));
    doc.insert("ca", value(CA));
    let mut host = Table::new();
    host.insert(
        "capabilities",
        value(["pull", "resolve", "push"].into_iter().collect::<Array>()),
    );
    host.insert("ca", value(CA));
    let mut hosts = Table::new();
    hosts.set_implicit(true);
    hosts.insert(&trust.endpoint_url(), Item::Table(host));
    doc.insert("host", Item::Table(hosts));
    format!(
        "# Written by kreg for instance {}.\n{doc}",
        trust.instance()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InstanceId;
    use proptest::prelude::*;
    use std::net::IpAddr;

    const CERT: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

    fn trust(host: &str) -> Trust {
        let id = InstanceId::new("docker-registry").unwrap();
        Trust::new(id, host.parse().unwrap(), CERT).unwrap()
    }

    #[test]
    fn has_the_form_that_was_measured() {
        let text =
            hosts_toml(&trust("docker-registry:5000").with_endpoint("10.96.0.50".parse().unwrap()));
        assert_eq!(
            text,
            "# Written by kreg for instance docker-registry.\n\
             server = \"https://10.96.0.50:5000\"\n\
             ca = \"ca.crt\"\n\
             \n\
             [host.\"https://10.96.0.50:5000\"]\n\
             capabilities = [\"pull\", \"resolve\", \"push\"]\n\
             ca = \"ca.crt\"\n"
        );
    }

    proptest! {
        #[test]
        fn reads_back(name in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?\\.[a-z]{2,5}", port in 1u16.., ip: IpAddr) {
            let trust = trust(&format!("{name}:{port}")).with_endpoint(ip);
            let read: toml::Table = toml::from_str(&hosts_toml(&trust)).unwrap();
            prop_assert_eq!(read["ca"].as_str(), Some("ca.crt"));
            let hosts = read["host"].as_table().unwrap();
            prop_assert_eq!(hosts.len(), 1);
            let (url, host) = hosts.iter().next().unwrap();
            prop_assert_eq!(read["server"].as_str(), Some(url.as_str()));
            let authority = url.strip_prefix("https://").unwrap();
            let socket: std::net::SocketAddr = authority.parse().unwrap();
            prop_assert_eq!(socket, std::net::SocketAddr::new(ip, port));
            prop_assert_eq!(host["capabilities"].as_array().unwrap().len(), 3);
            prop_assert_eq!(host["ca"].as_str(), Some("ca.crt"));
        }
    }
}
