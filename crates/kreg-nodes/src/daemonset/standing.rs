//! What the agents that stand in a cluster may do, read back from their DaemonSet.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::agent::ANNOTATION_ETC;

/// What a live DaemonSet of agents says of itself. `Display` is what they run and may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StandingAgents {
    /// The image that they run.
    pub image: String,
    /// The directories of their node that they may write.
    pub writes: Vec<String>,
    /// Why `/etc` as a whole is among them, in the words of the program that applied them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_etc: Option<String>,
}

impl fmt::Display for StandingAgents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes = match self.writes.as_slice() {
            [] => "nothing".to_owned(),
            dirs => dirs.join(", "),
        };
        let image = &self.image;
        write!(f, "{image} and may write, on their node, {writes}")?;
        if self.writes.iter().any(|dir| dir == "/etc") {
            f.write_str("; /etc as a whole, which is as good as root of the node")?;
            if let Some(why) = &self.why_etc {
                write!(f, ", for {why}")?;
            }
        }
        Ok(())
    }
}

impl StandingAgents {
    /// Reads a DaemonSet as the API server has it: by its mounts, not by what it says of them.
    #[must_use]
    pub fn of(daemon_set: &Value) -> StandingAgents {
        let pod = &daemon_set["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let volumes = list(&pod["volumes"]);
        let written = |mount: &Value| {
            let named = |volume: &&Value| volume["name"] == mount["name"];
            let path = volumes.iter().find(named)?["hostPath"]["path"].as_str()?;
            (mount["readOnly"] != true).then(|| path.to_owned())
        };
        let writes: Vec<String> = list(&container["volumeMounts"])
            .iter()
            .filter_map(written)
            .collect();
        let why = daemon_set["metadata"]["annotations"][ANNOTATION_ETC].as_str();
        StandingAgents {
            image: container["image"].as_str().unwrap_or_default().to_owned(),
            why_etc: why
                .filter(|_| writes.iter().any(|dir| dir == "/etc"))
                .map(str::to_owned),
            writes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgentImage, NodeAgent};
    use super::*;
    use crate::{InstanceId, Trust, Writes};

    #[test]
    fn what_was_applied_is_read_back() {
        let instance = InstanceId::new("r").unwrap();
        let cert = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
        let trust = Trust::new(instance.clone(), "r:5000".parse().unwrap(), cert).unwrap();
        let agent = NodeAgent::new(instance, AgentImage::named("registry:2"));
        let read = |agent: &NodeAgent| StandingAgents::of(&agent.objects()[3]);
        assert_eq!(read(&agent).writes, [""; 0]);
        let dir = Writes::sample("n1", &["/etc/containerd"], &["/etc/containerd/certs.d/x"]);
        let narrow = read(&agent.clone().keeping(trust.clone(), dir));
        assert_eq!(narrow.writes, ["/etc/containerd", "/var/lib/kreg"]);
        assert_eq!(
            (narrow.image.as_str(), narrow.why_etc),
            ("registry:2", None)
        );
        let whole = Writes::sample("n1", &[], &["/etc/hosts"]);
        let whole = read(&agent.keeping(trust, whole));
        assert_eq!(whole.writes, ["/etc", "/var/lib/kreg"]);
        assert_eq!(whole.why_etc.as_deref(), Some("/etc/hosts on n1"));
    }
}
