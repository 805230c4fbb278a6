//! What a `hosts.toml` on a node leads containerd to.

use toml::{Table, Value};

/// A `hosts.toml` as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostsToml {
    /// No TOML, or not of the right shape; containerd logs that and goes on without the file.
    Broken(String),
    /// It can be read.
    Parsed {
        /// The URLs of its `[host]` tables.
        endpoints: Vec<String>,
        /// The CA files that it names anywhere, as written.
        ca: Vec<String>,
    },
}

impl HostsToml {
    pub(super) fn read(text: &str) -> HostsToml {
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return HostsToml::Broken(told(text, &error)),
        };
        let mut ca = files(table.get("ca"));
        let hosts = match table.get("host") {
            None => &Table::new(),
            Some(Value::Table(hosts)) => hosts,
            Some(_) => return HostsToml::Broken("`host` is no table".to_owned()),
        };
        for host in hosts.values() {
            ca.extend(files(host.get("ca")));
        }
        ca.sort();
        ca.dedup();
        HostsToml::Parsed {
            endpoints: hosts.keys().cloned().collect(),
            ca,
        }
    }
}

/// Where and why, without the line itself, which may be a password's.
fn told(text: &str, error: &toml::de::Error) -> String {
    let why = error
        .message()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {why}", before.matches('\n').count() + 1),
        None => why,
    }
}

/// A text, or a list of texts.
fn files(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(file)) => vec![file.clone()],
        Some(Value::Array(files)) => {
            let texts = files.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_containerd_reads() {
        let text = "server = \"https://r:5000\"\nca = \"ca.crt\"\n[host.\"https://10.96.0.50:5000\"]\nca = [\"ca.crt\", \"/more.crt\"]\n";
        assert_eq!(
            HostsToml::read(text),
            HostsToml::Parsed {
                endpoints: vec!["https://10.96.0.50:5000".to_owned()],
                ca: vec!["/more.crt".to_owned(), "ca.crt".to_owned()],
            }
        );
        let bare = HostsToml::read("ca = \"ca.crt\"\n");
        assert!(matches!(bare, HostsToml::Parsed { endpoints, .. } if endpoints.is_empty()));
        for broken in ["[host.\"https://x\"\n", "host = 1\n", "= x"] {
            assert!(
                matches!(HostsToml::read(broken), HostsToml::Broken(_)),
                "{broken}"
            );
        }
        let text = "server = \"https://r:5000\"\n[header]\nAuthorization = \"Basic geheim\n";
        let HostsToml::Broken(why) = HostsToml::read(text) else {
            panic!("{text} is read");
        };
        assert!(
            why.starts_with("line 3: ") && !why.contains("geheim"),
            "{why}"
        );
    }
}
