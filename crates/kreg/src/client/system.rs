//! Which distribution this is, and how things are installed and started on it.

use std::path::Path;

/// What matters of `/etc/os-release` (os-release(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct System {
    /// As a person reads it, such as `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// How things are installed.
    pub family: Family,
}

/// Distributions that install by the same commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    /// Fedora and what is made of it, except Red Hat's own.
    Fedora,
    /// Red Hat's own and its rebuilds: podman is theirs, Docker is not.
    RedHat,
    /// SUSE and openSUSE.
    Suse,
    /// Arch Linux and what is made of it.
    Arch,
    /// Alpine Linux.
    Alpine,
    /// Anything else.
    #[default]
    Unknown,
}

/// What starts daemons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Init {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// `/etc/init.d/docker`, as Debian's package brings it too.
    SysV,
    /// Nothing, as in a container.
    #[default]
    None,
}

impl System {
    /// Reads the text of an os-release file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let mut lines = text
                .lines()
                .rev()
                .filter_map(|line| line.trim().split_once('='));
            let value = lines.find_map(|(name, value)| (name == key).then_some(value));
            value.unwrap_or_default().trim_matches(['"', '\''])
        };
        let (id, like) = (value("ID"), value("ID_LIKE"));
        // The system itself first, then its ancestors in their order.
        let mut ids = std::iter::once(id).chain(like.split_whitespace());
        let names = [value("PRETTY_NAME"), id, "a system of unknown kind"];
        let name = names.into_iter().find(|name| !name.is_empty());
        System {
            name: name.unwrap_or_default().to_owned(),
            family: ids.find_map(Family::of).unwrap_or_default(),
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

    /// As root: installs the client that the distribution itself has.
    pub(super) fn install(self) -> &'static [&'static str] {
        match self {
            Family::Debian => &["apt-get update", "apt-get install --yes docker.io"],
            Family::Fedora => &["dnf install --assumeyes moby-engine"],
            Family::RedHat => &["dnf install --assumeyes podman"],
            Family::Suse => &["zypper --non-interactive install docker"],
            Family::Arch => &["pacman --sync --needed --noconfirm docker"],
            Family::Alpine => &["apk add docker"],
            Family::Unknown => &[],
        }
    }

    /// As root: adds the user to the group. busybox has no usermod.
    pub(super) fn join(self, user: &str, group: &str) -> String {
        match self {
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

    /// As root: gives the user ids to map containers' users to.
    pub(super) fn give_ids(self, user: &str) -> Vec<String> {
        match self {
            Family::Alpine => ["/etc/subuid", "/etc/subgid"]
                .map(|file| format!("sh -c 'echo {user}:100000:65536 >> {file}'"))
                .to_vec(),
            _ => vec![format!(
                "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
            )],
        }
    }
}

impl Init {
    pub(super) fn read() -> Self {
        let marks = [
            ("/run/systemd/system", Init::Systemd), // sd_booted(3)
            ("/run/openrc", Init::OpenRc),
            ("/etc/init.d/docker", Init::SysV),
        ];
        let mut there = marks.iter().filter(|(path, _)| Path::new(path).exists());
        there.next().map_or(Init::None, |(_, init)| *init)
    }

    /// As root: starts Docker now and with the machine.
    pub(super) fn start_docker(self) -> &'static [&'static str] {
        match self {
            Init::Systemd => &["systemctl enable --now docker"],
            Init::OpenRc => &["rc-update add docker default", "service docker start"],
            Init::SysV => &["service docker start"],
            Init::None => &["sh -c 'dockerd >/var/log/dockerd.log 2>&1 &'"],
        }
    }

    /// As root: starts containerd.
    pub(super) fn start_containerd(self) -> &'static [&'static str] {
        match self {
            Init::Systemd => &["systemctl enable --now containerd"],
            Init::OpenRc => &["rc-service containerd start"],
            _ => &["sh -c 'containerd >/var/log/containerd.log 2>&1 &'"],
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
        assert_eq!(debian.name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(System::parse("ID=x\n").name, "x");
        assert_eq!(System::parse("").name, "a system of unknown kind");
    }
}
