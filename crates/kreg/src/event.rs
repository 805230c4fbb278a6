//! What is going on, for the program that shows it.

use std::fmt::Display;

use kreg_nodes::{Receipt, StorageDir};

/// Hears what is going on. A closure is one; `&|_: &Event<'_>| {}` hears nothing.
pub trait Observer: Send + Sync {
    /// Takes one event. It is called from the task that does the work, so it should be quick.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Hears nothing.
pub fn silent(_: &Event<'_>) {}

/// Something that happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A stage began. Others may begin and end before it ends.
    Began {
        /// Its name, such as `registry`.
        stage: &'a str,
    },
    /// What the stage under way is at.
    At {
        /// Its name.
        stage: &'a str,
        /// An object, and what is waited for.
        what: &'a str,
    },
    /// A stage ended.
    Ended {
        /// Its name.
        stage: &'a str,
        /// How.
        end: End,
        /// The result in a few words; it may be empty.
        result: &'a str,
    },
    /// Something a person should know, which stops nothing.
    Note(&'a str),
    /// A directory of images is not marked as the registry's on a node, so its images will stay there.
    Unmarked {
        /// The directory.
        directory: &'a StorageDir,
        /// The node, and why.
        receipt: &'a Receipt,
    },
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it is done.
    Done,
    /// Some of it is not.
    Partly,
    /// It failed.
    Failed,
    /// An error cut it short, which is returned.
    CutShort,
}

impl<'a> dyn Observer + 'a {
    /// Begins a stage.
    pub fn stage(&self, name: impl Into<String>) -> Stage<'_> {
        let name = name.into();
        self.event(&Event::Began { stage: &name });
        Stage {
            observer: self,
            name,
            ended: false,
        }
    }

    /// Says something that stops nothing.
    pub fn note(&self, text: impl Display) {
        self.event(&Event::Note(&text.to_string()));
    }
}

/// A stage under way. Dropped before its end, it was cut short by an error.
#[must_use]
pub struct Stage<'a> {
    observer: &'a dyn Observer,
    name: String,
    ended: bool,
}

impl Stage<'_> {
    /// What it is at.
    pub fn at(&self, what: impl Display) {
        self.observer.event(&Event::At {
            stage: &self.name,
            what: &what.to_string(),
        });
    }

    /// It ends, and all of it is done. The result may be empty.
    pub fn done(self, result: impl AsRef<str>) {
        self.end(End::Done, result.as_ref());
    }

    /// It ends, and some of it is not done.
    pub fn partly(self, result: impl AsRef<str>) {
        self.end(End::Partly, result.as_ref());
    }

    /// It ends, and it failed.
    pub fn failed(self, result: impl AsRef<str>) {
        self.end(End::Failed, result.as_ref());
    }

    fn end(mut self, end: End, result: &str) {
        self.ended = true;
        self.observer.event(&Event::Ended {
            stage: &self.name,
            end,
            result,
        });
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.observer.event(&Event::Ended {
                stage: &self.name,
                end: End::CutShort,
                result: "",
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_stage_that_begins_ends_once() {
        let heard = Mutex::new(Vec::new());
        let hears = |event: &Event<'_>| heard.lock().unwrap().push(format!("{event:?}"));
        let observer: &dyn Observer = &hears;
        observer.stage("one").done("fine");
        {
            let stage = observer.stage("two");
            stage.at("a Pod");
        }
        observer.note("three");
        assert_eq!(
            *heard.lock().unwrap(),
            [
                r#"Began { stage: "one" }"#,
                r#"Ended { stage: "one", end: Done, result: "fine" }"#,
                r#"Began { stage: "two" }"#,
                r#"At { stage: "two", what: "a Pod" }"#,
                r#"Ended { stage: "two", end: CutShort, result: "" }"#,
                r#"Note("three")"#,
            ]
        );
    }
}
