//! How an agent stands: whether its rounds go on, and what the last one said.

use std::time::Duration;

use crate::program::{Answer, PERIOD, STALE};
use crate::{Advice, Output, State};

/// What [`crate::NodeProgram::pulse`] found in an agent's Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Whether it keeps its node; else it waits for programs.
    keeps: bool,
    /// How long ago the last round ended; none of an agent that has not ended one, or of an earlier kreg.
    age: Option<Duration>,
    /// What it said.
    answer: Option<Answer>,
}

impl Pulse {
    /// Reads it; `None` if this is not a whole answer of that program.
    #[must_use]
    pub fn read(output: &Output) -> Option<Pulse> {
        let text = String::from_utf8_lossy(&output.stdout);
        let text = text.strip_prefix("kreg-pulse 1\n")?;
        let (head, rest) = text.split_once("answer\n")?;
        rest.trim_end().strip_suffix("kreg-pulse end")?;
        let age = head.lines().find_map(|line| line.strip_prefix("age "));
        Some(Pulse {
            keeps: head.lines().any(|line| line == "keeps"),
            age: age.and_then(|age| Some(Duration::from_secs(age.parse().ok()?))),
            answer: Answer::read(output).ok(),
        })
    }

    /// How long ago the last round ended.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Why the node is not kept, and what to do: nothing if it is.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let trouble = |why, remedy| Trouble {
            why,
            remedy,
            advice: None,
        };
        let again = |why, remedy| Trouble {
            advice: Some(Advice::Agents),
            ..trouble(why, remedy)
        };
        if !self.keeps {
            let why = "its agent only waits, as a command left it that did not end".to_owned();
            return Some(again(why, "put the agents on the nodes again"));
        }
        if let Some(age) = self.age.filter(|age| *age > STALE) {
            let why = format!(
                "its agent hangs: its last round ended {} s ago, and none may be older than {} s (three periods of {} s)",
                age.as_secs(),
                STALE.as_secs(),
                PERIOD.as_secs(),
            );
            return Some(trouble(
                why,
                "look at the node's load and disks; `kubectl -n kreg-nodes delete pod POD` starts a new one",
            ));
        }
        let Some(answer) = &self.answer else {
            return Some(trouble(
                "its agent has not finished a round yet".to_owned(),
                "wait half a minute; then see `kubectl -n kreg-nodes logs` of its Pod",
            ));
        };
        if matches!(answer.state, State::Unchanged | State::Changed) {
            return None;
        }
        let files = answer.files.iter();
        let files: Vec<String> = files
            .map(|file| format!("{} {}", file.path, file.detail))
            .collect();
        let why = format!("its agent does not keep it: {}", files.join("; "));
        if why.contains(MAY_NOT) {
            let remedy =
                "put the agents on the nodes again: they may then write what their nodes need";
            return Some(again(why, remedy));
        }
        Some(trouble(
            why,
            "fix that on the node; its agent looks again within half a minute",
        ))
    }
}

/// The words of an agent whose Pod was made for less than its node needs now (`decide.sh`).
const MAY_NOT: &str = "which this agent may not write";

/// Why an agent does not keep its node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// The reason.
    pub why: String,
    /// What to do next.
    pub remedy: &'static str,
    /// The setting that the remedy is about.
    pub advice: Option<Advice>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(head: &str, state: &str) -> Option<Pulse> {
        let answer = format!(
            "{{\"schema\":\"kreg/v1\",\"program\":\"agent\",\"instance\":\"r\",\"state\":\"{state}\",\"step\":\"\",\
             \"files\":[{{\"path\":\"/etc/x\",\"status\":\"failed\",\"detail\":\"is odd\"}}]}}"
        );
        let text = format!("kreg-pulse 1\n{head}answer\n{answer}\n\nkreg-pulse end\n");
        Pulse::read(&Output {
            stdout: text.into_bytes(),
            stderr: Vec::new(),
            status: Some(0),
        })
    }

    fn trouble(head: &str, state: &str) -> String {
        let pulse = pulse(head, state).unwrap();
        pulse.trouble().map(|one| one.why).unwrap_or_default()
    }

    #[test]
    fn an_agent_that_goes_on_and_is_content_has_no_trouble() {
        for state in ["unchanged", "changed"] {
            assert_eq!(trouble("keeps\nage 30\n", state), "");
            // An earlier kreg's agent writes no time.
            assert_eq!(trouble("keeps\n", state), "");
        }
    }

    #[test]
    fn a_round_that_is_too_old_is_said_with_its_age_whatever_it_said_itself() {
        let why = trouble("keeps\nage 95\n", "unchanged");
        assert!(why.contains("95 s ago") && why.contains("30 s"), "{why}");
    }

    #[test]
    fn a_refusal_is_said_in_the_agents_words_and_one_that_waits_is_not_taken_for_a_keeper() {
        let why = trouble("keeps\nage 1\n", "refused");
        assert!(why.ends_with("/etc/x is odd"), "{why}");
        assert!(trouble("", "unchanged").contains("only waits"));
    }

    #[test]
    fn half_an_answer_is_none() {
        let cut = Output {
            stdout: b"kreg-pulse 1\nkeeps\nanswer\n".to_vec(),
            stderr: Vec::new(),
            status: Some(0),
        };
        assert_eq!(Pulse::read(&cut), None);
    }
}
