//! Operating systems, and other agents on a node, that have a say in these files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wanted::Wanted;
use super::{Refusal, RefusalKind, rewritten};
use crate::containerd::Version;
use crate::docker::CERTS_D;
use crate::{NodeFacts, Trust};

/// A system whose files are made from its own settings: nothing is written, and what to set is
/// given instead.
pub(super) fn managed(facts: &NodeFacts, trust: &Trust) -> Option<Refusal> {
    let (name, how, snippet) = match facts.os.id.as_str() {
        "talos" => (
            "Talos",
            "`talosctl patch machineconfig --nodes NODE --patch @FILE`; no reboot is needed",
            talos(facts, trust),
        ),
        "bottlerocket" => (
            "Bottlerocket",
            "user data, or by `apiclient apply` on the node; keep in mind that its `pki` settings \
             are trusted for all TLS of the node",
            bottlerocket(trust),
        ),
        _ => return None,
    };
    Some(
        Refusal::new(
            RefusalKind::ManagedSystem,
            format!("{name} makes its files from its own settings, so kreg writes none there"),
            format!("set this by {how}:\n{snippet}"),
        )
        .with_snippet(snippet),
    )
}

/// `machine.registries` to 1.11, documents of their own from 1.12 on. TLS goes by the endpoint's
/// name, the mirror by the image's.
fn talos(facts: &NodeFacts, trust: &Trust) -> String {
    let (host, url) = (trust.host(), trust.endpoint_url());
    let mut physical = vec![host.to_string()];
    if trust.address().is_some() {
        physical.push(trust.endpoint_authority());
    }
    let version = Version::parse(&facts.os.version_id);
    if version.is_some_and(|version| version >= Version(1, 12, 0)) {
        let pem: String = trust
            .ca_pem()
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect();
        let mut text = format!(
            "apiVersion: v1alpha1\nkind: RegistryMirrorConfig\nname: \"{host}\"\nendpoints:\n  - url: \"{url}\"\n"
        );
        for name in physical {
            text += &format!(
                "---\napiVersion: v1alpha1\nkind: RegistryTLSConfig\nname: \"{name}\"\nca: |\n{pem}"
            );
        }
        return text;
    }
    let ca = STANDARD.encode(trust.ca_pem());
    let mut text = format!(
        "machine:\n  registries:\n    mirrors:\n      \"{host}\":\n        endpoints: [\"{url}\"]\n    config:\n"
    );
    for name in physical {
        text += &format!("      \"{name}\":\n        tls:\n          ca: {ca}\n");
    }
    text
}

/// Without `trusted` a bundle is distrusted.
fn bottlerocket(trust: &Trust) -> String {
    format!(
        "[settings.pki.kreg-{}]\ntrusted = true\ndata = \"{}\"\n\n\
         [[settings.container-registry.mirrors]]\nregistry = \"{}\"\nendpoint = [\"{}\"]\n",
        trust.instance(),
        STANDARD.encode(trust.ca_pem()),
        trust.host(),
        trust.endpoint_url()
    )
}

/// OpenShift's node-ca erases every directory of Docker's that it does not know (openshift
/// cluster-image-registry-operator, `pkg/nodeca`).
pub(super) fn erased(facts: &NodeFacts, trust: &Trust) -> Option<Refusal> {
    if !is_openshift(facts) {
        return None;
    }
    Some(Refusal::new(
        RefusalKind::ForeignAgent,
        format!(
            "OpenShift's node-ca runs on this node and erases every directory below {CERTS_D} \
             that it does not know, such as {}",
            trust.host()
        ),
        additional_trusted_ca(trust),
    ))
}

/// What the node's own software will do to what kreg writes.
pub(super) fn warn(wanted: &mut Wanted<'_>) {
    let (facts, trust) = (wanted.facts, wanted.trust);
    if is_openshift(facts) && wanted.refusals.is_empty() {
        wanted.warn(format!(
            "this node is OpenShift's, whose own way reaches new nodes too: {}",
            additional_trusted_ca(trust)
        ));
    }
    let backups: Vec<&String> = facts
        .found
        .keys()
        .filter(|path| {
            let root = path.strip_suffix("/_backup");
            root.is_some_and(|root| {
                wanted
                    .files
                    .iter()
                    .any(|kind| kind.path().starts_with(root))
            })
        })
        .collect();
    for backup in backups {
        wanted.warnings.push(format!(
            "{backup} shows that Spegel has written this directory: when it starts, it moves all \
             that it did not write there, kreg's files too. Let it keep them \
             (`spegel.prependExisting: true` in its chart), and try again after it was installed"
        ));
    }
    if facts.os.id == "cos" {
        wanted.warn(
            "this system makes /etc anew at each boot; what kreg writes there is gone then, unless \
             an agent of kreg's runs on the node",
        );
    }
    if wanted.edits_hosts()
        && let Some(warning) = rewritten::hosts(facts)
    {
        wanted.warn(warning);
    }
}

fn is_openshift(facts: &NodeFacts) -> bool {
    matches!(facts.os.id.as_str(), "rhcos" | "scos") || MARKS.iter().any(|path| facts.is_dir(path))
}

/// Directories of its machine-config daemon and of node-ca.
pub(crate) const MARKS: [&str; 2] = [
    "/etc/machine-config-daemon",
    "/etc/docker/certs.d/image-registry.openshift-image-registry.svc:5000",
];

/// A ConfigMap's keys hold no colon: `..` stands for it.
fn additional_trusted_ca(trust: &Trust) -> String {
    let (id, key) = (
        trust.instance(),
        trust.host().to_string().replace(':', ".."),
    );
    format!(
        "`oc -n openshift-config create configmap kreg-{id} --from-file={key}=ca.crt`, then `oc patch \
         image.config.openshift.io/cluster --type=merge -p \
         '{{\"spec\":{{\"additionalTrustedCA\":{{\"name\":\"kreg-{id}\"}}}}}}'`"
    )
}
