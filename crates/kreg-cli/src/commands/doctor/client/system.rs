//! Which distribution this is, and how things are installed and started on it.

/// What matters of `/etc/os-release` (os-release(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct System {
    pub(super) pretty_name: String,
    pub(super) family: Family,
}

/// Distributions that install by the same commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Family {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    Fedora,
    /// Red Hat's own and its rebuilds: podman is theirs, Docker is not.
    RedHat,
    Suse,
    Arch,
    Alpine,
    #[default]
    Unknown,
}

/// What starts daemons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Init {
    Systemd,
    OpenRc,
    /// `/etc/init.d/docker`, as Debian's package brings it too.
    SysV,
    #[default]
    None,
}

impl System {
    /// Reads the text of an os-release file.
    pub(super) fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().rev().find_map(|line| {
                let (name, value) = line.trim().split_once('=')?;
                (name == key).then_some(value)
            });
            line.map(|value| value.trim_matches(['"', '\'']).to_owned())
                .unwrap_or_default()
        };
        let (id, like) = (value("ID"), value("ID_LIKE"));
        // The system itself first, then its ancestors in their order.
        let family = std::iter::once(id.as_str())
            .chain(like.split_whitespace())
            .find_map(Family::of)
            .unwrap_or_default();
        let pretty_name = [value("PRETTY_NAME"), id]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| "a system of unknown kind".to_owned());
        Self {
            pretty_name,
            family,
        }
    }
}

impl Family {
    fn of(id: &str) -> Option<Self> {
        Some(match id {
            "debian" | "ubuntu" => Family::Debian,
            "fedora" => Family::Fedora,
            "rhel" | "centos" | "rocky" | "almalinux" | "ol" => Family::RedHat,
            "suse" | "sles" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" => Family::Suse,
            "arch" => Family::Arch,
            "alpine" => Family::Alpine,
            _ => return None,
        })
    }

    /// The client that the distribution itself has, and the commands, to be run as root, that install it.
    pub(super) fn install(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Family::Debian => (
                "docker",
                &["apt-get update", "apt-get install --yes docker.io"],
            ),
            Family::Fedora => ("docker", &["dnf install --assumeyes moby-engine"]),
            Family::RedHat => ("podman", &["dnf install --assumeyes podman"]),
            Family::Suse => ("docker", &["zypper --non-interactive install docker"]),
            Family::Arch => ("docker", &["pacman --sync --needed --noconfirm docker"]),
            Family::Alpine => ("docker", &["apk add docker"]),
            Family::Unknown => ("docker", &[]),
        }
    }

    /// As root: adds the user to the group.
    pub(super) fn join(self, user: &str, group: &str) -> String {
        match self {
            // busybox has no usermod.
            Family::Alpine => format!("addgroup {user} {group}"),
            _ => format!("usermod --append --groups {group} {user}"),
        }
    }

    /// As root: makes the group.
    pub(super) fn make_group(self, group: &str) -> String {
        match self {
            Family::Alpine => format!("addgroup -S {group}"),
            _ => format!("groupadd --system {group}"),
        }
    }
}

impl Init {
    /// As root: starts Docker now and with the machine.
    pub(super) fn start_docker(self) -> &'static [&'static str] {
        match self {
            Init::Systemd => &["systemctl enable --now docker"],
            Init::OpenRc => &["rc-update add docker default", "service docker start"],
            Init::SysV => &["service docker start"],
            Init::None => &["sh -c 'dockerd >/var/log/dockerd.log 2>&1 &'"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_the_systems_own_word_first() {
        for (text, family) in [
            (
                "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
                Family::Debian,
            ),
            ("ID=ubuntu\nID_LIKE=debian\n", Family::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Family::Debian),
            ("ID=fedora\n", Family::Fedora),
            ("ID=\"rhel\"\nID_LIKE=\"fedora\"\n", Family::RedHat),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                Family::RedHat,
            ),
            ("ID=\"amzn\"\nID_LIKE=\"fedora\"\n", Family::Fedora),
            (
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n",
                Family::Suse,
            ),
            ("ID='sles'\n", Family::Suse),
            ("ID=manjaro\nID_LIKE=arch\n", Family::Arch),
            ("ID=alpine\n", Family::Alpine),
            ("ID=nixos\n", Family::Unknown),
            ("", Family::Unknown),
        ] {
            assert_eq!(System::parse(text).family, family, "{text}");
        }
        let debian = System::parse("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n");
        assert_eq!(debian.pretty_name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(System::parse("ID=x\n").pretty_name, "x");
    }
}
