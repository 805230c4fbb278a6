//! What holds on a node at this moment, and need not in the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::FactsError;
use super::decode::bad;

/// What [`crate::NodeProgram::vitals`] saw: clock, proxy and the way to the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Vitals {
    /// The node's clock, in seconds since 1970 UTC.
    pub now: Option<u64>,
    /// The runtimes that run there.
    pub runtimes: Vec<RunningRuntime>,
    /// Whether a connection to the registry could be opened; `None` if nothing on the node can
    /// tell.
    pub route: Option<Reach>,
}

/// A runtime that runs: `containerd`, `dockerd` or `crio`. A node may have several, also of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunningRuntime {
    /// The name of its program.
    pub name: String,
    /// The systemd unit that it belongs to, without `.service`: `containerd`, `k3s-agent`,
    /// `snap.microk8s.daemon-containerd`. From its control group; none without systemd.
    pub unit: Option<String>,
    /// The proxy variables (`HTTPS_PROXY`, `NO_PROXY` and the like) that it was started with; what
    /// stands before an `@` in a proxy's address is masked on the node already.
    pub environment: BTreeMap<String, String>,
}

/// Whether a connection could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reach {
    /// It could.
    Open,
    /// It was refused.
    Refused,
    /// Nothing answered, or there is no way.
    Silent,
}

impl Vitals {
    /// Reads the answer of a vitals program. What a login script printed before it is skipped.
    ///
    /// # Errors
    /// [`FactsError`] if the answer is not whole.
    pub fn decode(answer: &[u8]) -> Result<Vitals, FactsError> {
        let text = String::from_utf8_lossy(answer);
        let (_, told) = text
            .split_once("kreg-vitals 1\n")
            .ok_or_else(|| bad("it has no first line"))?;
        let (told, _) = told
            .split_once("kreg-vitals end\n")
            .ok_or_else(|| bad("it has no last line"))?;
        let mut vitals = Vitals::default();
        for line in told.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match (key, value) {
                ("now", seconds) => vitals.now = seconds.parse().ok(),
                ("runtime", told) => vitals.runtimes.push(runtime(told)),
                ("environment", pair) => {
                    let of = vitals.runtimes.last_mut();
                    let of = of.ok_or_else(|| bad("an environment stands before its runtime"))?;
                    if let Some((name, value)) = pair.split_once('=') {
                        of.environment.insert(name.to_owned(), value.to_owned());
                    }
                }
                ("route", "open") => vitals.route = Some(Reach::Open),
                ("route", "refused") => vitals.route = Some(Reach::Refused),
                ("route", "silent") => vitals.route = Some(Reach::Silent),
                _ => return Err(bad(&format!("unknown line `{line}`"))),
            }
        }
        Ok(vitals)
    }
}

/// `containerd k3s-agent`, or without a unit. A name that systemd does not give is none.
fn runtime(told: &str) -> RunningRuntime {
    let (name, unit) = told.split_once(' ').unwrap_or((told, ""));
    RunningRuntime {
        name: name.to_owned(),
        unit: unit_name(unit),
        environment: BTreeMap::new(),
    }
}

/// A unit's name, if systemd would give it (systemd.unit(5)): it goes into commands.
pub(super) fn unit_name(text: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    (!text.is_empty() && text.chars().all(legal)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_told_and_refuses_what_was_cut() {
        let answer = b"Welcome!\nkreg-vitals 1\nnow 1700000000\nruntime crio \nruntime containerd k3s-agent\nenvironment NO_PROXY=a=b,c\nroute silent\nkreg-vitals end\n";
        let vitals = Vitals::decode(answer).unwrap();
        assert_eq!(vitals.now, Some(1_700_000_000));
        let [crio, containerd] = &vitals.runtimes[..] else {
            panic!("{vitals:?}")
        };
        assert_eq!((crio.name.as_str(), &crio.unit), ("crio", &None));
        assert!(crio.environment.is_empty(), "another one's is not its own");
        assert_eq!(containerd.unit.as_deref(), Some("k3s-agent"));
        assert_eq!(containerd.environment["NO_PROXY"], "a=b,c");
        assert_eq!(vitals.route, Some(Reach::Silent));
        for end in 0..answer.len() - 1 {
            assert!(Vitals::decode(&answer[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_unit_that_systemd_would_not_name_so_goes_into_no_command() {
        assert_eq!(runtime("crio a;reboot").unit, None);
        let unit = "snap.microk8s.daemon-containerd";
        assert_eq!(
            runtime(&format!("containerd {unit}")).unit.as_deref(),
            Some(unit)
        );
    }
}
