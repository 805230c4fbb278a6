//! Where nodes are kept by agents: on which none does, and why.

use kreg_k8s::{Kind, Object, Query};
use kreg_nodes::Trust;
use kreg_nodes::daemonset::{NAMESPACE, NodeAgent};
use kreg_verify::doctor::{Contact, Observations};

use super::look::Look;
use crate::error::Error;

pub(super) async fn agents(
    look: &mut Look<'_>,
    trust: &Trust,
    seen: &mut Observations,
) -> Result<(), Error> {
    let query = Query::all(Kind::Pod)
        .within(NAMESPACE)
        .labelled(NodeAgent::selector(trust.instance()));
    let answer = look.cluster().list(&query).await;
    let Some(pods) = look.allowed(answer)? else {
        return Ok(());
    };
    for one in &mut seen.nodes {
        if one.contact == Contact::NotTried {
            continue; // left out, and has none
        }
        let here = |pod: &&Object| {
            !pod.is_terminating() && pod.text("/spec/nodeName") == Some(one.name.as_str())
        };
        one.agent = match pods.iter().find(here) {
            None => Some("there is no Pod of it on the node".to_owned()),
            Some(pod) if is_ready(pod) => None,
            Some(pod) => {
                let words = look.events(pod).await?.pop();
                let words = words.unwrap_or_else(|| "nothing tells why".to_owned());
                Some(format!("{} is not ready: {words}", pod.reference()))
            }
        };
    }
    Ok(())
}

fn is_ready(pod: &Object) -> bool {
    let mut conditions = pod.items("/status/conditions").iter();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}
