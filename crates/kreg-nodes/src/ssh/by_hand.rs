//! The way to a node as a command line, for a person to do by hand what kreg could not.

use std::path::PathBuf;

use super::config::SshConfig;
use super::route::{Hop, route};
use crate::transport::TransportErrorKind;
use crate::{Node, quote};

impl SshConfig {
    /// The `ssh` command that enters `node` as kreg would, up to the command to run there.
    ///
    /// # Errors
    /// [`TransportErrorKind`] if the node's address or OpenSSH's configuration leads nowhere.
    pub fn command_line(&self, node: &Node) -> Result<String, TransportErrorKind> {
        let hops = route(self, node)?;
        Ok(line(&self.words(&hops, &[])?))
    }

    /// What leads to the last of `hops` through those before it, with these options at each.
    pub(super) fn words(
        &self,
        hops: &[Hop],
        options: &[String],
    ) -> Result<Vec<String>, TransportErrorKind> {
        let mut words = vec!["ssh".to_owned()];
        words.extend_from_slice(options);
        let Some((last, jumps)) = hops.split_last() else {
            return Ok(words);
        };
        let said = self.openssh.lookup(&last.asked, Some(&last.user))?;
        let mut add =
            |option: &str, value: &str| words.extend([option.to_owned(), value.to_owned()]);
        // In these ssh takes `%` for the beginning of a token.
        let plain = |text: &str| text.replace('%', "%%");
        let file = self.openssh.file.as_ref();
        let file = file.map(|file| file.display().to_string());
        if let Some(file) = &file {
            add("-F", file);
        }
        for identity in &self.identities {
            add("-i", &plain(&identity.path.display().to_string()));
        }
        if self.identities_only {
            add("-o", "IdentitiesOnly=yes");
        }
        if !self.agent {
            add("-o", "IdentityAgent=none");
        }
        if !self.known_hosts.is_empty() {
            let quoted = |file: &PathBuf| match plain(&file.display().to_string()) {
                file if file.contains(' ') => format!("\"{file}\""),
                file => file,
            };
            let files: Vec<_> = self.known_hosts.iter().map(quoted).collect();
            add("-o", &format!("UserKnownHostsFile={}", files.join(" ")));
        }
        // ssh hands an odd name on to its jump hosts without quotes.
        let odd = file.is_some_and(|file| word(&file) != file);
        let options_matter = odd
            || !options.is_empty()
            || !self.identities.is_empty()
            || self.identities_only
            || !self.agent
            || !self.known_hosts.is_empty();
        let direct = self.jumps.as_ref().is_some_and(Vec::is_empty);
        match jumps.last() {
            // Straight there, whatever the configuration says; ProxyCommand is out with it.
            None if direct && !(said.jumps.is_empty() && said.not_followed.is_empty()) => {
                add("-J", "none");
            }
            None => {}
            // Options reach no jump host by -J, nor by a configuration's ProxyJump.
            Some(_) if options_matter => {
                let mut way = self.words(jumps, options)?;
                way.splice(1..1, ["-W".to_owned(), last.name()]);
                add("-o", &format!("ProxyCommand={}", plain(&line(&way))));
            }
            Some(_) if self.jumps.is_none() => {}
            Some(_) => {
                let told = |hop: &Hop| format!("{}@{}", hop.user, hop.at(&hop.asked));
                add("-J", &jumps.iter().map(told).collect::<Vec<_>>().join(","));
            }
        }
        if last.port != said.port.unwrap_or(22) {
            add("-p", &last.port.to_string());
        }
        if last.host != said.host_name.unwrap_or_else(|| last.asked.clone()) {
            add("-o", &format!("HostName={}", plain(&last.host)));
        }
        words.push(format!("{}@{}", last.user, last.asked));
        Ok(words)
    }

    /// Whether `node` is entered as another than root, who then needs sudo.
    ///
    /// # Errors
    /// As [`SshConfig::command_line`].
    pub fn needs_sudo(&self, node: &Node) -> Result<bool, TransportErrorKind> {
        let hops = route(self, node)?;
        Ok(hops.last().is_some_and(|hop| hop.user != "root"))
    }
}

fn line(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|one| word(one)).collect();
    words.join(" ")
}

/// Quoted only where needed: a person is to read it.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => quote(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::openssh::OpensshConfig;

    #[test]
    fn a_person_is_led_the_same_way() {
        let node = Node::new("worker-1", "10.0.0.1:2222");
        let config = SshConfig::new("admin");
        assert_eq!(
            config.command_line(&node).unwrap(),
            "ssh -p 2222 admin@10.0.0.1"
        );
        let config = SshConfig::new("root").jumps(["u@gate:2200", "v@[fd00::1]"]);
        let node = Node::new("n", "10.0.0.1");
        assert_eq!(
            config.command_line(&node).unwrap(),
            "ssh -J 'u@gate:2200,v@[fd00::1]:22' root@10.0.0.1"
        );
        // To a jump host options come by a command of its own alone.
        let config = config
            .jumps(["u@gate:2200"])
            .identity("/my keys/100%", None);
        assert_eq!(
            config.known_hosts("/k/known").command_line(&node).unwrap(),
            "ssh -i '/my keys/100%%' -o UserKnownHostsFile=/k/known -o 'ProxyCommand=ssh \
             -W 10.0.0.1:22 -i '\\''/my keys/100%%%%'\\'' -o UserKnownHostsFile=/k/known -p 2200 u@gate' \
             root@10.0.0.1"
        );
        let config = SshConfig::new("root");
        assert!(!config.needs_sudo(&node).unwrap());
    }

    #[test]
    #[ignore = "needs ssh: run by cargo xtask test"]
    fn a_configuration_is_named_and_what_it_says_is_not_said_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let text = "Host worker-*\n  User ubuntu\n  Port 2222\n  ProxyJump gate\n  HostKeyAlias w\n\
                    Host gate\n  HostName 192.0.2.1\n  User u\n";
        std::fs::write(&file, text).unwrap();
        let config = SshConfig::following(OpensshConfig::read(&file).unwrap(), "root");
        let at = file.display().to_string();
        let told = |config: &SshConfig, address: &str| {
            let node = Node::new("worker-1", address);
            config.command_line(&node).unwrap().replace(&at, "FILE")
        };
        assert_eq!(
            told(&config, "10.0.0.1"),
            "ssh -F FILE -o HostName=10.0.0.1 ubuntu@worker-1"
        );
        assert_eq!(
            told(&config, "10.0.0.1:22"),
            "ssh -F FILE -p 22 -o HostName=10.0.0.1 ubuntu@worker-1"
        );
        assert_eq!(
            told(&config.clone().jumps::<&str>([]), "worker-1"),
            "ssh -F FILE -J none ubuntu@worker-1"
        );
        assert_eq!(
            told(&config.clone().jumps(["gate"]), "worker-1"),
            "ssh -F FILE -J u@gate:22 ubuntu@worker-1"
        );
        assert_eq!(
            told(&config.identity("/id", None), "worker-1"),
            "ssh -F FILE -i /id -o 'ProxyCommand=ssh -W worker-1:2222 -F FILE -i /id u@gate' ubuntu@worker-1"
        );
    }
}
