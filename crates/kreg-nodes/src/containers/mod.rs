//! CRI-O, podman, skopeo, buildah: what containers/image reads of a node, and what to write there.

mod registries;

pub use registries::{RegistriesConf, RegistriesConfError, RegistryTable};

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::{InstanceId, Trust};

/// Certificates by registry; before Docker's own directory, which is read too (containers/image
/// `docker/docker_client.go`).
pub const CERTS_D: &str = "/etc/containers/certs.d";

/// The main file about registries.
pub const REGISTRIES_CONF: &str = "/etc/containers/registries.conf";

/// Files that are read after it, in the order of their names (containers-registries.conf.d(5)).
pub const DROP_INS: &str = "/etc/containers/registries.conf.d";

/// The file that leads `instance`'s registry to its address.
#[must_use]
pub fn redirect_file(instance: &InstanceId) -> String {
    format!("{DROP_INS}/50-kreg-{instance}.conf")
}

/// Its content: images are named after `prefix` and fetched from `location`. Pushes are not led
/// elsewhere (containers-registries.conf(5)).
#[must_use]
pub fn redirect(trust: &Trust) -> String {
    let mut table = Table::new();
    table.insert("prefix", value(trust.host().to_string()));
    table.insert("location", value(trust.endpoint_authority()));
    let mut tables = ArrayOfTables::new();
    tables.push(table);
    let mut doc = DocumentMut::new();
    doc.insert("registry", Item::ArrayOfTables(tables));
    format!(
        "# Written by kreg for instance {}.\n{doc}",
        trust.instance()
    )
}

/// The directory of the CA: after a redirect, certificates are looked up by the name of the
/// endpoint that is really reached.
#[must_use]
pub fn own_dir(trust: &Trust) -> String {
    format!("{CERTS_D}/{}", trust.endpoint_authority())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_the_name_to_the_address() {
        let instance = InstanceId::new("docker-registry").unwrap();
        let ca = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
        let trust = Trust::new(instance, "docker-registry:5000".parse().unwrap(), ca).unwrap();
        assert_eq!(
            own_dir(&trust),
            "/etc/containers/certs.d/docker-registry:5000"
        );
        let trust = trust.with_endpoint("10.96.0.50".parse().unwrap());
        assert_eq!(
            redirect(&trust),
            "# Written by kreg for instance docker-registry.\n[[registry]]\n\
             prefix = \"docker-registry:5000\"\nlocation = \"10.96.0.50:5000\"\n"
        );
        assert_eq!(own_dir(&trust), "/etc/containers/certs.d/10.96.0.50:5000");
        assert_eq!(
            redirect_file(trust.instance()),
            "/etc/containers/registries.conf.d/50-kreg-docker-registry.conf"
        );
    }
}
