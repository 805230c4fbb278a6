//! The nodes of the cluster as kreg-nodes knows them, and what they must hold.

mod advice;
mod by_agents;

use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use kreg_auth::PasswordSource;
use kreg_k8s::{ClusterFacts, NodeFact, RegistrySpec};
use kreg_nodes::daemonset::AgentPods;
use kreg_nodes::ssh::openssh::OpensshConfig;
use kreg_nodes::ssh::{Ssh, SshConfig, SystemSsh, has_passphrase};
use kreg_nodes::{
    Fleet, InstanceId, Marking, NameMode, Node, NodeFacts, NodeTransport, PlanOutcome, Receipt,
    RegistryId, State, StorageDir, Trust, Vitals,
};
use tokio::runtime::Handle;

use self::advice::{advised, advised_all, advised_losses};
use self::by_agents::{agentless, without_agent};
use crate::agents::Agents;
use crate::args::ProfileArg;
use crate::config::Backend;
use crate::error::{Ending, Error, Tried as _};
use crate::session::{Session, count};
use crate::settings::{NodeSettings, Settings};

/// Who logs in where nobody says otherwise.
const USER: &str = "root";

const PASSPHRASE_VARIABLE: &str = "KREG_SSH_PASSPHRASE";

/// The nodes that kreg is to work on, and the way to them.
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    /// Names of those that `nodes.skip` leaves out.
    skipped: Vec<String>,
    /// Whether these are all that there are.
    all: bool,
    way: Way,
    parallel: usize,
    timeout: Duration,
}

enum Way {
    Ssh(Box<BySsh>),
    Agents {
        agents: Box<Agents>,
        pods: Box<AgentPods>,
        there: bool,
    },
}

struct BySsh {
    transport: Box<dyn NodeTransport>,
    config: SshConfig,
}

impl Nodes {
    /// `only` narrows to these names; `nodes.skip` of the configuration is left out always.
    pub(crate) fn new(
        session: &Session,
        facts: &ClusterFacts,
        only: &[String],
    ) -> Result<Self, Error> {
        Self::of(session, facts, &session.spec, only)
    }

    /// As the registry of `spec` is to have them.
    pub(crate) fn of(
        session: &Session,
        facts: &ClusterFacts,
        spec: &RegistrySpec,
        only: &[String],
    ) -> Result<Self, Error> {
        let settings = &session.settings;
        let backend = settings.nodes.backend;
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
        let (mut nodes, mut skipped) = (Vec::new(), Vec::new());
        for fact in &facts.nodes {
            if !(only.is_empty() || only.contains(&fact.name)) {
                continue;
            }
            if settings.nodes.skip.contains(&fact.name) {
                skipped.push(fact.name.clone());
                continue;
            }
            nodes.push(match backend {
                Backend::Ssh | Backend::OpenSsh => {
                    Node::new(&fact.name, address(&settings.nodes, fact)?)
                }
                Backend::DaemonSet => Node::new(&fact.name, &fact.name),
            });
        }
        let way = match backend {
            Backend::Ssh => {
                let config = with_passphrase(ssh_config(&settings.nodes)?, &settings.nodes)?;
                let transport = Box::new(Ssh::new(config.clone()));
                Way::Ssh(Box::new(BySsh { transport, config }))
            }
            Backend::OpenSsh => {
                let config = ssh_config(&settings.nodes)?;
                if let Some(source) = passphrase_source(&settings.nodes) {
                    return Err(Error::usage(format!(
                        "the `ssh` program cannot be given the passphrase from {source}"
                    ))
                    .help(format!(
                        "add the key to your agent by ssh-add, and leave the passphrase out (unset \
                         {PASSPHRASE_VARIABLE})"
                    )));
                }
                if let Some(identity) = &settings.nodes.identity
                    && is_locked(identity)?
                    && std::env::var_os("SSH_AUTH_SOCK").is_none()
                {
                    return Err(Error::usage(format!(
                        "the SSH key {} has a passphrase, which the `ssh` program cannot ask for",
                        identity.display()
                    ))
                    .help("add it to your agent by ssh-add"));
                }
                let transport = Box::new(SystemSsh::new(config.clone()));
                Way::Ssh(Box::new(BySsh { transport, config }))
            }
            Backend::DaemonSet => by_agents::way(session, facts, spec)?,
        };
        Ok(Self {
            nodes,
            skipped,
            all: only.is_empty(),
            way,
            parallel: settings.nodes.parallel,
            timeout: settings.timeout,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Names of those that were asked for and are left out: `nodes.skip` says so.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// What the way to the nodes is called.
    pub(crate) fn way(&self) -> &'static str {
        match self.way {
            Way::Ssh(_) => "ssh",
            Way::Agents { .. } => "agent",
        }
    }

    /// Sees to it that there is somebody on the nodes to speak to. Writes nothing there.
    pub(crate) async fn enter(&self) -> Result<(), Error> {
        match &self.way {
            // A node that came since, or that lacks a directory which the others have, may have none that runs.
            Way::Agents { agents, there, .. } if *there && agents.are_everywhere().await? => Ok(()),
            Way::Agents { agents, .. } => agents.look().await,
            Way::Ssh(_) => Ok(()),
        }
    }

    /// Takes away who was there for kreg; what is on the nodes stays as it is.
    pub(crate) async fn leave(&self) -> Result<(), Error> {
        match &self.way {
            Way::Ssh(_) => Ok(()),
            Way::Agents { agents, .. } => agents.remove().await,
        }
    }

    /// Whether somebody would first have to be put on the nodes to look at them.
    pub(crate) fn are_out_of_reach(&self) -> bool {
        matches!(self.way, Way::Agents { there: false, .. })
    }

    pub(crate) fn facts(&self, trust: &Trust) -> Vec<(Node, Result<NodeFacts, Box<Receipt>>)> {
        let facts = tokio::task::block_in_place(|| self.fleet().facts(&self.nodes, trust));
        advised_losses(facts)
    }

    pub(crate) fn vitals(&self, trust: &Trust) -> Vec<(Node, Result<Vitals, Box<Receipt>>)> {
        let vitals = tokio::task::block_in_place(|| self.fleet().vitals(&self.nodes, trust));
        advised_losses(vitals)
    }

    pub(crate) fn plan(&self, trust: &Trust) -> Vec<PlanOutcome> {
        let mut plans = tokio::task::block_in_place(|| self.fleet().plan(&self.nodes, trust));
        for lost in plans
            .iter_mut()
            .filter_map(|plan| plan.result.as_mut().err())
        {
            **lost = advised((**lost).clone());
        }
        plans
    }

    pub(crate) fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        tokio::task::block_in_place(|| match &self.way {
            Way::Ssh(_) => advised_all(self.fleet().trust(&self.nodes, trust, &|_| {})),
            Way::Agents { agents, .. } => self.kept_by(agents, trust),
        })
    }

    pub(crate) fn untrust(&self, instance: &InstanceId) -> Vec<Receipt> {
        tokio::task::block_in_place(|| {
            if let Way::Agents { agents, .. } = &self.way
                && let Err(error) = Handle::current().block_on(agents.take_back())
            {
                return without_agent(&self.nodes, &error);
            }
            advised_all(self.fleet().untrust(&self.nodes, instance, &|_| {}))
        })
    }

    /// Erases the images in `storage` on the nodes of these names. Nodes that are left out give no
    /// receipt.
    pub(crate) fn erase(
        &self,
        instance: &InstanceId,
        storage: &StorageDir,
        names: &[&str],
    ) -> Vec<Receipt> {
        self.in_storage(storage, names, |chosen| {
            self.fleet().erase(chosen, instance, storage, &|_| {})
        })
    }

    /// Looks whether `storage` is another registry's on the nodes of these names, or marks it as this one's.
    pub(crate) fn mark(
        &self,
        instance: &InstanceId,
        storage: &StorageDir,
        names: &[&str],
        how: Marking,
    ) -> Vec<Receipt> {
        self.in_storage(storage, names, |chosen| {
            self.fleet().mark(chosen, instance, storage, how, &|_| {})
        })
    }

    /// Works in a registry's directory on the nodes of these names. Agents see it only for that.
    fn in_storage(
        &self,
        storage: &StorageDir,
        names: &[&str],
        work: impl FnOnce(&[Node]) -> Vec<Receipt>,
    ) -> Vec<Receipt> {
        let chosen = self.nodes.iter();
        let chosen = chosen.filter(|node| names.contains(&node.name.as_str()));
        let chosen: Vec<Node> = chosen.cloned().collect();
        tokio::task::block_in_place(|| {
            let (chosen, mut receipts) = match &self.way {
                Way::Ssh(_) => (chosen, Vec::new()),
                Way::Agents { agents, pods, .. } => {
                    match self.within_reach(agents, pods, &chosen, storage) {
                        Ok(sorted) => sorted,
                        Err(error) => return without_agent(&chosen, &error),
                    }
                }
            };
            receipts.extend(advised_all(work(&chosen)));
            receipts
        })
    }

    pub(crate) fn status(&self, trust: &Trust) -> Vec<Receipt> {
        tokio::task::block_in_place(|| {
            let mut receipts = advised_all(self.fleet().status(&self.nodes, trust));
            for (receipt, trouble) in self.with_troubles(&mut receipts) {
                if let Some((why, remedy)) = trouble {
                    agentless(receipt, State::Refused, why, remedy);
                }
            }
            receipts
        })
    }

    /// Agents work on all nodes or on none.
    pub(crate) fn must_be_all(&self) -> Result<(), Error> {
        match (&self.way, self.all) {
            (Way::Agents { .. }, false) => Err(Error::usage(
                "with agents on the nodes a single one cannot be told from the others",
            )
            .help("leave --node away; nodes.skip in kreg.toml keeps agents off a node")),
            _ => Ok(()),
        }
    }

    /// For each node that could not be entered: what a person can run to put it back by hand.
    pub(crate) fn by_hand(&self, receipts: &[Receipt], instance: &InstanceId) -> Option<String> {
        let script = format!("kreg nodes script untrust --name {instance}");
        let Way::Ssh(ssh) = &self.way else {
            // Its agent does not answer, and who else gets there is not known here.
            let lost = receipts.iter().filter(|one| {
                one.state == State::Unreachable || one.step.as_deref() == Some("agent")
            });
            let lost: Vec<&str> = lost.map(|one| one.node.as_str()).collect();
            return (!lost.is_empty()).then(|| {
                format!(
                    "once their agents answer, run the same command again; or run as root, on each of {}, the \
                     program that `{script}` prints",
                    lost.join(", ")
                )
            });
        };
        let config = &ssh.config;
        let lost = receipts
            .iter()
            .filter(|one| one.state == State::Unreachable);
        let lines: Vec<String> = lost
            .filter_map(|one| {
                let node = self.nodes.iter().find(|node| node.name == one.node)?;
                let ssh = config.command_line(node).ok()?;
                // A sudo that asks for a password needs a terminal, so the program goes first.
                Some(match (config.needs_sudo(node).ok()?, one.step.as_deref()) {
                    (false, _) => format!("{script} | {ssh} sh"),
                    (true, Some("sudo")) => format!(
                        "{script} | {ssh} 'cat >kreg-untrust.sh' && {} sudo sh kreg-untrust.sh",
                        ssh.replacen("ssh ", "ssh -t ", 1)
                    ),
                    (true, _) => format!("{script} | {ssh} sudo sh"),
                })
            })
            .collect();
        (!lines.is_empty()).then(|| {
            format!(
                "once they can be reached, run `kreg nodes untrust` again, which needs no registry; \
                 or by hand:\n{}",
                lines.join("\n")
            )
        })
    }

    fn fleet(&self) -> Fleet<'_, dyn NodeTransport + '_> {
        let transport: &dyn NodeTransport = match &self.way {
            Way::Ssh(ssh) => ssh.transport.as_ref(),
            Way::Agents { pods, .. } => pods.as_ref(),
        };
        Fleet::new(transport)
            .parallel(self.parallel)
            .timeout(self.timeout)
    }
}

/// Where a node's sshd listens.
fn address(settings: &NodeSettings, fact: &NodeFact) -> Result<String, Error> {
    match (settings.addresses.get(&fact.name), fact.addresses.first()) {
        (Some(address), _) => Ok(address.clone()),
        (None, Some(address)) => Ok(address.to_string()),
        (None, None) => Err(
            Error::usage(format!("node {} has no InternalIP", fact.name))
                .help("give its address under [nodes.ssh.addresses] in kreg.toml"),
        ),
    }
}

fn ssh_config(settings: &NodeSettings) -> Result<SshConfig, Error> {
    let openssh = match &settings.config {
        None => OpensshConfig::usual(),
        Some(none) if none.as_os_str() == "none" => Ok(OpensshConfig::default()),
        Some(file) => OpensshConfig::read(file),
    };
    let openssh = openssh.map_err(|cause| {
        Error::usage("cannot follow OpenSSH's configuration")
            .because(&cause)
            .help("fix it, or leave it out by --ssh-config none")
    })?;
    let mut config = SshConfig::following(openssh, USER).accept_new(settings.accept_new);
    if let Some(user) = &settings.user {
        config = config.user(user);
    }
    if let Some(port) = settings.port {
        config = config.port(port);
    }
    if let Some(jumps) = &settings.jump {
        config = config.jumps(jumps);
    }
    if let Some(timeout) = settings.connect_timeout {
        config = config.connect_timeout(timeout);
    }
    if let Some(identity) = &settings.identity {
        config = config.identity(identity, None).identities_only(true);
    }
    if let Some(known_hosts) = &settings.known_hosts {
        config = config.known_hosts(known_hosts);
    }
    Ok(config)
}

fn with_passphrase(config: SshConfig, settings: &NodeSettings) -> Result<SshConfig, Error> {
    Ok(match passphrase(settings)? {
        Some(passphrase) => config.passphrase(passphrase),
        None => config,
    })
}

/// Whether the key has a passphrase.
fn is_locked(identity: &Path) -> Result<bool, Error> {
    has_passphrase(identity).map_err(|cause| {
        Error::usage(format!("cannot read the SSH key {}", identity.display())).because(&cause)
    })
}

fn passphrase_source(settings: &NodeSettings) -> Option<PasswordSource> {
    let variable = || {
        std::env::var_os(PASSPHRASE_VARIABLE)
            .map(|_| PasswordSource::Env(PASSPHRASE_VARIABLE.to_owned()))
    };
    let file = settings.passphrase_file.clone();
    file.map(PasswordSource::File).or_else(variable)
}

/// From a file or the environment; asked for only if the key that was named has one, and no agent
/// can hold it.
fn passphrase(settings: &NodeSettings) -> Result<Option<kreg_auth::SecretString>, Error> {
    if let Some(source) = passphrase_source(settings) {
        let read = source.read().map_err(|cause| {
            Error::usage("cannot read the passphrase of the SSH key").because(&cause)
        })?;
        return Ok(Some(read));
    }
    let Some(identity) = &settings.identity else {
        return Ok(None);
    };
    let wants_one = is_locked(identity)?;
    let agent = std::env::var_os("SSH_AUTH_SOCK").is_some();
    if !wants_one || agent || !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let asked = rpassword::prompt_password(format!("Passphrase of {}: ", identity.display()))
        .tried("cannot ask for the passphrase of the SSH key")?;
    Ok(Some(asked.into()))
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
        .with_endpoint(address)
        .with_restart(settings.nodes.allow_runtime_restart);
    Ok(match settings.profile {
        ProfileArg::Default => trust,
        ProfileArg::Tutorial => trust
            .with_names(NameMode::HostsFile)
            .with_docker_certs_d(true),
    })
}

/// Whose journals on the nodes are meant. Without a record no id is known: then all of that name.
pub(crate) fn instance(spec: &RegistrySpec) -> Result<InstanceId, Error> {
    let instance = InstanceId::new(spec.instance())
        .tried("the registry's name cannot name a journal on the nodes")?;
    Ok(match spec.id() {
        Some(id) => instance.with_id(
            RegistryId::new(id)
                .tried("the record of the registry holds an id that kreg did not make")?,
        ),
        None => instance,
    })
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
