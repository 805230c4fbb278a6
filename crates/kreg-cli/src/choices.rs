//! Values that flags and the configuration file have in common.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

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

/// All of a file, or of standard input for `-`.
pub(crate) fn text_of(file: &Path) -> std::io::Result<String> {
    if file.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin());
    }
    std::fs::read_to_string(file)
}

/// Go's and systemd's short form: a number and `s`, `m` or `h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a number with s, m or h, as in 90s".to_owned())?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("unknown unit `{unit}`: use s, m or h")),
    };
    number
        .checked_mul(factor)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in [
            "",
            "m",
            "0s",
            "5d",
            "-1s",
            "99999999999999999999s",
            "9223372036854775807h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
