//! The way to a node as a command line, for a person to do by hand what kreg could not.

use super::SshConfig;
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
        let Some((last, jumps)) = hops.split_last() else {
            return Ok(format!("ssh {}", word(&node.address)));
        };
        let mut words = vec!["ssh".to_owned()];
        for identity in &self.identities {
            words.extend(["-i".to_owned(), word(&identity.path.display().to_string())]);
        }
        if !self.known_hosts.is_empty() {
            let files: Vec<_> = self
                .known_hosts
                .iter()
                .map(|f| f.display().to_string())
                .collect();
            let option = format!("UserKnownHostsFile={}", files.join(" "));
            words.extend(["-o".to_owned(), word(&option)]);
        }
        if !jumps.is_empty() {
            let told = |hop: &Hop| format!("{}@{}", hop.user, hop.name());
            let jumps: Vec<String> = jumps.iter().map(told).collect();
            words.extend(["-J".to_owned(), word(&jumps.join(","))]);
        }
        if last.port != 22 {
            words.extend(["-p".to_owned(), last.port.to_string()]);
        }
        words.push(word(&format!("{}@{}", last.user, last.host)));
        Ok(words.join(" "))
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

    #[test]
    fn a_person_is_led_the_same_way() {
        let node = Node::new("worker-1", "10.0.0.1:2222");
        let config = SshConfig::new("admin");
        assert_eq!(
            config.command_line(&node).unwrap(),
            "ssh -p 2222 admin@10.0.0.1"
        );
        let config = SshConfig::new("root")
            .identity("/my keys/id", None)
            .known_hosts("/k/known")
            .jumps(["u@gate:2200", "v@inner"]);
        assert_eq!(
            config.command_line(&Node::new("n", "10.0.0.1")).unwrap(),
            "ssh -i '/my keys/id' -o UserKnownHostsFile=/k/known -J u@gate:2200,v@inner:22 \
             root@10.0.0.1"
        );
        assert!(!config.needs_sudo(&node).unwrap());
    }
}
