//! The probe's answer, read back.

use super::vitals::unit_name;
use super::{Found, FoundFile, NodeFacts, Os, Program, mounts};

/// Why a probe's answer could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the probe's answer is cut short or mixed with other output: {reason}")]
pub struct FactsError {
    reason: String,
}

const HEAD: &[u8] = b"kreg-probe 1\n";
const END: &[u8] = b"kreg-probe end\n";

impl NodeFacts {
    /// Reads the answer of a probe program. What a login script printed before it is skipped.
    ///
    /// # Errors
    /// [`FactsError`] if the answer is not whole.
    pub fn decode(answer: &[u8]) -> Result<NodeFacts, FactsError> {
        let start = find(answer, HEAD).ok_or_else(|| bad("it has no first line"))?;
        let mut rest = &answer[start + HEAD.len()..];
        let mut facts = NodeFacts::default();
        let mut sizes = Vec::new();
        loop {
            let line = take_line(&mut rest)?;
            if line == "data" {
                break;
            }
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "file" => sizes.push(file_line(value)?),
                _ => facts.fact(key, value)?,
            }
        }
        for (path, size, mut file) in sizes {
            let content = rest
                .get(..size)
                .ok_or_else(|| bad(&format!("{path} is cut short")))?;
            file.content = content.to_vec();
            rest = &rest[size..];
            facts.found.insert(path, Found::File(file));
        }
        let tail = rest
            .strip_prefix(b"\nmounts\n")
            .ok_or_else(|| bad("a file changed while it was read"))?;
        let end = find(tail, END).ok_or_else(|| bad("it has no last line"))?;
        let configs = facts
            .programs
            .values()
            .filter_map(|program| program.config.as_deref());
        let table = String::from_utf8_lossy(&tail[..end]);
        facts.mounts = mounts::parse(&table, &facts.root, &configs.collect::<Vec<_>>());
        if let Some(text) = facts.content("/etc/os-release") {
            facts.os = Os::parse(&String::from_utf8_lossy(text));
        }
        facts.name_containerds();
        Ok(facts)
    }

    fn fact(&mut self, key: &str, value: &str) -> Result<(), FactsError> {
        let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| bad(&format!("`{key} {value}`")))
        };
        match key {
            "root" => self.root = value.to_owned(),
            "uid" => self.uid = number(value)?.try_into().map_err(|_| bad(value))?,
            "machine" => self.machine = value.to_owned(),
            "asked" => drop(self.asked.insert(value.to_owned())),
            "running" => self.named(name).running = true,
            "program" => self.named(name).path = Some(rest.to_owned()),
            "version" => self.named(name).version = Some(rest.to_owned()),
            "config" => self.named(name).config = Some(rest.to_owned()),
            "option" => {
                let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                let options = &mut self.named(name).options;
                options.insert(key.to_owned(), value.to_owned());
            }
            "started" => self.named(name).started = Some(number(rest)?),
            "parent" => self.named(name).parent = Some(rest.to_owned()),
            "unit" => self.named(name).unit = unit_name(rest),
            "address" => self.named(name).address = Some(rest.to_owned()),
            "drop-ins" => self.named(name).drop_ins = Some(rest.to_owned()),
            // Arguments of processes come before what files say.
            "endpoint" => {
                self.runtime_endpoint.get_or_insert_with(|| value_of(value));
            }
            "cloud" => drop(self.cloud_hosts.insert(name.to_owned(), rest.to_owned())),
            "wsl" => self.wsl_conf += &format!("{value}\n"),
            "home" => self.home = Some(value.to_owned()),
            "login" => drop(self.logins.insert(value.to_owned())),
            "nowrite" => drop(self.not_writable.insert(value.to_owned())),
            "space" => {
                let point = rest.strip_prefix(self.root.as_str()).unwrap_or(rest);
                self.free_kib.insert(point.to_owned(), number(name)?);
            }
            "dir" => drop(self.found.insert(value.to_owned(), Found::Directory)),
            // A link that leads to a file or directory is reported as that too, later.
            "link" => drop(self.found.insert(value.to_owned(), Found::Link)),
            "big" => drop(self.found.insert(value.to_owned(), Found::Big)),
            "unreadable" => drop(self.found.insert(value.to_owned(), Found::Unreadable)),
            "special" => drop(self.found.insert(value.to_owned(), Found::Special)),
            _ => return Err(bad(&format!("unknown line `{key} {value}`"))),
        }
        if key == "link" {
            self.links.insert(value.to_owned());
        }
        Ok(())
    }

    fn named(&mut self, name: &str) -> &mut Program {
        self.programs.entry(name.to_owned()).or_default()
    }
}

/// A plain YAML scalar, without quotes and comment.
fn value_of(text: &str) -> String {
    let bare = text.split(" #").next().unwrap_or_default().trim();
    bare.trim_matches(['"', '\'']).to_owned()
}

/// `SIZE MODE UID GID MTIME PATH`
fn file_line(value: &str) -> Result<(String, usize, FoundFile), FactsError> {
    let fields: Vec<&str> = value.splitn(6, ' ').collect();
    let [size, mode, uid, gid, modified, path] = fields[..] else {
        return Err(bad(value));
    };
    let parse = || {
        let file = FoundFile {
            content: Vec::new(),
            mode: u32::from_str_radix(mode, 8).ok()?,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            modified: modified.parse().ok()?,
        };
        Some((path.to_owned(), size.parse().ok()?, file))
    };
    parse().ok_or_else(|| bad(value))
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, FactsError> {
    let end = rest
        .iter()
        .position(|&b| b == b'\n')
        .ok_or_else(|| bad("it ends within its facts"))?;
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| bad("a fact is not UTF-8"))?;
    *rest = &rest[end + 1..];
    Ok(line)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

pub(super) fn bad(reason: &str) -> FactsError {
    FactsError {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"Welcome!\nkreg-probe 1\nroot \nuid 0\nmachine x86_64\nasked /etc/hosts\ncloud /etc/cloud/cloud.cfg  'true' # why\n\
        running containerd\nversion containerd containerd github.com/containerd/containerd 1.6.20 x\n\
        home /root\nlogin /root/.docker/config.json\noption crio registries-conf /a b\noption crio HOME \n\
        dir /etc/containerd\nspace 1000 /\nfile 5 644 0 0 1700000000 /etc/hosts\n\
        file 2 644 0 0 1700000000 /etc/a b\ndata\nab\ncd\xff\x00\nmounts\n\
        22 1 8:1 / / rw - ext4 /dev/sda1 rw\nkreg-probe end\n";

    #[test]
    fn reads_facts_and_raw_bytes() {
        let facts = NodeFacts::decode(ANSWER).unwrap();
        assert_eq!(facts.content("/etc/hosts"), Some(&b"ab\ncd"[..]));
        assert_eq!(facts.content("/etc/a b"), Some(&b"\xff\x00"[..]));
        assert!(facts.runs("containerd") && facts.is_dir("/etc/containerd"));
        assert_eq!(facts.free_kib["/"], 1000);
        assert_eq!(facts.cloud_hosts["/etc/cloud/cloud.cfg"], " 'true' # why");
        let options = &facts.programs["crio"].options;
        assert_eq!(
            (
                options["registries-conf"].as_str(),
                options["HOME"].as_str()
            ),
            ("/a b", "")
        );
        assert_eq!(facts.home.as_deref(), Some("/root"));
        assert!(facts.logins.contains("/root/.docker/config.json"));
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<NodeFacts>(&json).unwrap(), facts);
    }

    #[test]
    fn refuses_every_cut() {
        let start = find(ANSWER, HEAD).unwrap();
        for end in start..ANSWER.len() - 1 {
            assert!(NodeFacts::decode(&ANSWER[..end]).is_err(), "cut at {end}");
        }
    }
}
