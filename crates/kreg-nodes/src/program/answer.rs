//! The line of JSON that a node program ends with.

use serde::{Deserialize, Serialize};

use crate::{Advice, FileReport, Output, Receipt, State};

/// What a node program answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// Always `kreg/v1`.
    pub schema: String,
    /// `apply` or `undo`.
    pub program: String,
    /// The instance's name.
    pub instance: String,
    /// The outcome: unchanged, changed, failed or dirty.
    pub state: State,
    /// The step that failed; empty if none did.
    pub step: String,
    /// Each file, in the order of the work.
    pub files: Vec<FileReport>,
}

/// Why there is no answer to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node program gave no answer ({detail})")]
pub struct AnswerError {
    detail: String,
}

impl Answer {
    /// Reads the answer out of what a node program printed. What a login script printed
    /// before it is skipped. Without the line nothing has succeeded, whatever the status.
    ///
    /// # Errors
    /// [`AnswerError`] if there is no such line.
    pub fn read(output: &Output) -> Result<Answer, AnswerError> {
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text
            .lines()
            .rev()
            .find(|line| line.starts_with("{\"schema\":\"kreg/v1\""));
        let detail = match line.map(serde_json::from_str) {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(e)) => format!("its line is malformed: {e}"),
            None => match (output.status, output.said()) {
                (Some(status), said) => format!("exit status {status}; the node answered: {said}"),
                (None, _) => "it was killed".to_owned(),
            },
        };
        Err(AnswerError { detail })
    }

    /// Writes the answer into a node's receipt.
    pub(crate) fn into_receipt(self, mut receipt: Receipt) -> Receipt {
        use crate::FileStatus::{Dirty, Failed};
        let unwell: Vec<String> = self
            .files
            .iter()
            .filter(|file| matches!(file.status, Dirty | Failed))
            .map(|file| format!("{} {}", file.path, file.detail))
            .collect();
        receipt.state = self.state;
        receipt.files = self.files;
        if !unwell.is_empty() {
            let step = if self.step.is_empty() {
                "check"
            } else {
                &self.step
            };
            let remedy = remedy(self.state, &self.program, step, &unwell.join(" "));
            receipt = receipt.because(step, unwell.join("; "), remedy);
            receipt.advice = advice(self.state, &self.program, step);
        }
        receipt
    }
}

fn remedy(state: State, program: &str, step: &str, reason: &str) -> &'static str {
    match (state, program) {
        (State::Dirty, _) if step == "journal" => {
            "repair the journal on the node as described above; kreg cannot know what was there before"
        }
        (State::Dirty, "undo") => {
            "look at what others changed; once it is as kreg left it, or gone, undo again"
        }
        (State::Dirty, _) => "move it away, or let kreg replace it",
        (State::Failed, "restart") => {
            "see `journalctl -u containerd` on the node; without leave to restart, kreg says what to \
             set by hand"
        }
        _ if reason.contains("No space left") => "free space on the node, then try again",
        _ if reason.contains("Read-only file system") => {
            "make that file system writable, then try again"
        }
        _ if reason.contains("Operation not permitted") => {
            "see whether the file is immutable (`lsattr`), then try again"
        }
        _ => "fix that on the node, then try again: the next run continues where this one stopped",
    }
}

fn advice(state: State, program: &str, step: &str) -> Option<Advice> {
    match (state, program) {
        (State::Dirty, "undo") => None,
        (State::Dirty, _) if step != "journal" => Some(Advice::Adopt),
        (State::Failed, "restart") => Some(Advice::NoRestart),
        _ => None,
    }
}
