//! Which runtimes of a node need files.

use super::keeper::{self, Keeper};
use super::serving::{Runtime, serving};
use super::wanted::Wanted;
use super::{Refusal, RefusalKind, containerd, containers, docker, rancher, system};
use crate::{NodeFacts, Trust};

/// Every file that `trust` needs, in the order to write them: CAs first, `hosts.toml` last,
/// for containerd fails every pull if `hosts.toml` names a CA that is not there.
pub(super) fn wanted<'a>(facts: &'a NodeFacts, trust: &'a Trust) -> Wanted<'a> {
    let mut wanted = Wanted::new(facts, trust);
    if let Some(refusal) = system::managed(facts, trust) {
        wanted.refusals.push(refusal);
        return wanted;
    }
    let serving = match serving(facts) {
        Ok(serving) => serving,
        Err(refusal) => {
            wanted.refuse(refusal);
            return wanted;
        }
    };
    if serving.is_empty() && !trust.docker_certs_d() {
        wanted.refusals.push(no_runtime(facts));
    }
    for runtime in &serving {
        match runtime {
            Runtime::Containerd => match keeper::out_of_sight(facts) {
                Some(refusal) => wanted.refuse(refusal),
                None => {
                    containerd::want(&mut wanted);
                    Keeper::amend(facts, &mut wanted.refusals);
                }
            },
            Runtime::Docker => docker::want(&mut wanted),
            Runtime::Crio | Runtime::Podman => containers::want(&mut wanted),
            Runtime::Rancher(one) => rancher::want(&mut wanted, *one),
        }
    }
    if trust.docker_certs_d() {
        docker::want_ca(&mut wanted);
    }
    wanted.hosts_line();
    system::warn(&mut wanted);
    containers::warn_of_logins(&mut wanted);
    wanted.whole()
}

fn no_runtime(facts: &NodeFacts) -> Refusal {
    Refusal::new(
        RefusalKind::NoRuntime,
        format!(
            "no container runtime was found (system: {})",
            match facts.os.pretty_name.as_str() {
                "" => "unknown",
                name => name,
            }
        ),
        "see that containerd, CRI-O, Docker or podman is installed in one of /usr/bin, \
         /usr/local/bin, /usr/sbin, /opt/bin",
    )
}
