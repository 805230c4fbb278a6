//! What the library does, shown as it happens.

use std::sync::{Mutex, PoisonError};

use kreg::{End, Event};

use crate::progress::{Progress, Step};

/// Shows each stage as a step.
#[derive(Debug)]
pub(crate) struct Observer {
    progress: Progress,
    /// Those under way, the innermost last.
    open: Mutex<Vec<(String, Step)>>,
}

impl Observer {
    pub(crate) fn new(progress: &Progress) -> Self {
        Self {
            progress: progress.clone(),
            open: Mutex::default(),
        }
    }
}

impl kreg::Observer for Observer {
    fn event(&self, event: &Event<'_>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place =
            |open: &[(String, Step)], name: &str| open.iter().rposition(|(stage, _)| stage == name);
        match event {
            Event::Began { stage } => {
                open.push(((*stage).to_owned(), self.progress.step(*stage)));
            }
            Event::At { stage, what } => {
                if let Some(at) = place(&open, stage) {
                    open[at].1.at(what);
                }
            }
            Event::Ended { stage, end, result } => {
                let Some(at) = place(&open, stage) else {
                    return;
                };
                let (_, step) = open.remove(at);
                match end {
                    End::Done => step.done(result),
                    End::Partly => step.partly(result),
                    End::Failed => step.failed(result),
                    End::CutShort => drop(step),
                }
            }
            Event::Note(text) => self.progress.note(text),
            Event::Unmarked { directory, receipt } => self.progress.note(format!(
                "{directory} is not marked as this registry's, so `kreg down --delete-data` will leave its images: \
                 {receipt}"
            )),
            _ => {}
        }
    }
}
