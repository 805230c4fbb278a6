//! Choices that flags and the configuration file have in common.

use clap::ValueEnum;
use kreg_k8s::Profile;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProfileArg {
    Default,
    Tutorial,
}

impl From<Profile> for ProfileArg {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Tutorial => Self::Tutorial,
            _ => Self::Default,
        }
    }
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Default => Self::Default,
            ProfileArg::Tutorial => Self::Tutorial,
        }
    }
}

impl ProfileArg {
    pub(crate) fn storage(self) -> &'static str {
        match self {
            Self::Default => "class",
            Self::Tutorial => "hostpath:/tmp/repository",
        }
    }

    pub(crate) fn size(self) -> &'static str {
        match self {
            Self::Default => "10Gi",
            Self::Tutorial => "1Gi",
        }
    }
}

/// How kreg reaches the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// From here, one login a node
    Ssh,
    /// From here, by the `ssh` program: for ProxyCommand, keys of security devices, certificates of hosts
    OpenSsh,
    /// By an agent on each node, which also keeps its trust, and that of nodes that join later
    DaemonSet,
}
