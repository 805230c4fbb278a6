//! The nodes of the cluster as kreg-nodes knows them, and what they must hold.

use std::net::IpAddr;
use std::time::Duration;

use kreg_k8s::{ClusterFacts, RegistrySpec};
use kreg_nodes::ssh::{Ssh, SshConfig};
use kreg_nodes::{Fleet, InstanceId, NameMode, Node, PlanOutcome, Receipt, StorageDir, Trust};

use crate::args::ProfileArg;
use crate::error::{Ending, Error, Tried as _};
use crate::session::count;
use crate::settings::{NodeSettings, Settings};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The nodes that kreg is to work on, and the way to them.
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    transport: Ssh,
    parallel: usize,
    timeout: Duration,
}

impl Nodes {
    /// `only` narrows to these names; `nodes.skip` of the configuration is left out always.
    pub(crate) fn new(
        settings: &Settings,
        facts: &ClusterFacts,
        only: &[String],
    ) -> Result<Self, Error> {
        let ssh = &settings.nodes;
        if let Some(stranger) = only
            .iter()
            .find(|name| facts.nodes.iter().all(|node| node.name != **name))
        {
            let known: Vec<_> = facts.nodes.iter().map(|node| node.name.as_str()).collect();
            return Err(
                Error::usage(format!("there is no node {stranger} in this cluster"))
                    .help(format!("its nodes are {}", known.join(", "))),
            );
        }
        let mut nodes = Vec::new();
        for fact in &facts.nodes {
            if ssh.skip.contains(&fact.name) || !(only.is_empty() || only.contains(&fact.name)) {
                continue;
            }
            let address = match (ssh.addresses.get(&fact.name), fact.addresses.first()) {
                (Some(address), _) => address.clone(),
                (None, Some(address)) => address.to_string(),
                (None, None) => {
                    return Err(
                        Error::usage(format!("node {} has no InternalIP", fact.name))
                            .help("give its address under [nodes.ssh.addresses] in kreg.toml"),
                    );
                }
            };
            nodes.push(Node::new(&fact.name, &address));
        }
        Ok(Self {
            nodes,
            transport: Ssh::new(ssh_config(ssh)),
            parallel: ssh.parallel,
            timeout: settings.timeout,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn plan(&self, trust: &Trust) -> Vec<PlanOutcome> {
        tokio::task::block_in_place(|| self.fleet().plan(&self.nodes, trust))
    }

    pub(crate) fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        tokio::task::block_in_place(|| self.fleet().trust(&self.nodes, trust, &|_| {}))
    }

    pub(crate) fn untrust(&self, instance: &InstanceId) -> Vec<Receipt> {
        tokio::task::block_in_place(|| self.fleet().untrust(&self.nodes, instance, &|_| {}))
    }

    /// On the node of that name, or on all.
    pub(crate) fn erase(
        &self,
        instance: &InstanceId,
        storage: &StorageDir,
        node: Option<&str>,
    ) -> Vec<Receipt> {
        let chosen: Vec<Node> = self
            .nodes
            .iter()
            .filter(|one| node.is_none_or(|node| one.name == node))
            .cloned()
            .collect();
        tokio::task::block_in_place(|| self.fleet().erase(&chosen, instance, storage, &|_| {}))
    }

    pub(crate) fn status(&self, trust: &Trust) -> Vec<Receipt> {
        tokio::task::block_in_place(|| self.fleet().status(&self.nodes, trust))
    }

    fn fleet(&self) -> Fleet<'_, Ssh> {
        Fleet::new(&self.transport)
            .parallel(self.parallel)
            .timeout(self.timeout)
    }
}

fn ssh_config(settings: &NodeSettings) -> SshConfig {
    let mut config = SshConfig::new(&settings.user)
        .port(settings.port)
        .agent(settings.identity.is_none())
        .accept_new(settings.accept_new)
        .connect_timeout(CONNECT_TIMEOUT);
    if let Some(identity) = &settings.identity {
        config = config.identity(identity, None);
    }
    if let Some(known_hosts) = &settings.known_hosts {
        config = config.known_hosts(known_hosts);
    }
    config
}

/// What every node must come to hold.
pub(crate) fn trust(
    settings: &Settings,
    spec: &RegistrySpec,
    address: IpAddr,
    bundle_pem: &str,
) -> Result<Trust, Error> {
    let trust = Trust::new(instance(spec)?, settings.host()?, bundle_pem)
        .tried("the CA bundle cannot be handed to the nodes")?
        .with_endpoint(address);
    Ok(match settings.profile {
        ProfileArg::Default => trust,
        ProfileArg::Tutorial => trust
            .with_names(NameMode::HostsFile)
            .with_docker_certs_d(true),
    })
}

pub(crate) fn instance(spec: &RegistrySpec) -> Result<InstanceId, Error> {
    InstanceId::new(spec.instance()).tried("the registry's name cannot name a journal on the nodes")
}

/// After the result was printed: done if every node is; else partial, with each node that is
/// not, why, and what to do.
pub(crate) fn judge(receipts: &[Receipt], what: &str) -> Result<(), Error> {
    let bad: Vec<_> = receipts.iter().filter(|receipt| !receipt.is_ok()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let ending = if bad.len() == receipts.len() {
        Ending::Failed
    } else {
        Ending::Partial
    };
    Err(Error::new(
        ending,
        format!(
            "{} of {} {what}:\n{}",
            bad.len(),
            count(receipts.len(), "node"),
            listed(bad)
        ),
    )
    .told())
}

/// One line a receipt: node, step, why and what to do.
pub(crate) fn listed<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> String {
    let lines: Vec<_> = receipts
        .into_iter()
        .map(|receipt| format!("- {receipt}"))
        .collect();
    lines.join("\n")
}
