//! A story: what it proves, its checks one line each, and how it cleans up after itself.

use std::time::Instant;

use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// One story on the cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story {
    pub(crate) name: &'static str,
    /// Completes "this story proves that …".
    pub(crate) proves: &'static str,
    pub(crate) run: fn(&mut Scene<'_>) -> Result<()>,
}

type Undo<'w> = Box<dyn FnOnce(&World) -> Result<()> + 'w>;

/// A story being told: its world, its tally, and what must be undone at its end.
pub(crate) struct Scene<'w> {
    pub(crate) world: &'w World,
    pub(crate) tally: Tally,
    voice: Voice,
    undo: Vec<(String, Undo<'w>)>,
}

/// How a story is told.
#[derive(Debug)]
pub(crate) enum Voice {
    /// Line by line, as it happens.
    Aloud,
    /// Kept until its end, where others are told beside it.
    Kept(String),
}

/// Checks that held, counted, and those that did not, by name and cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: Vec<String>,
}

impl<'w> Scene<'w> {
    pub(crate) fn new(world: &'w World, voice: Voice) -> Self {
        Self {
            world,
            tally: Tally::default(),
            voice,
            undo: Vec::new(),
        }
    }

    /// One check, one line. A check that does not hold ends the story by its error.
    pub(crate) fn check<T>(
        &mut self,
        what: &str,
        body: impl FnOnce(&World) -> Result<T>,
    ) -> Result<T> {
        let start = Instant::now();
        let result = body(self.world);
        let seconds = start.elapsed().as_secs_f64();
        match &result {
            Ok(_) => {
                self.tally.passed += 1;
                self.line(&format!("  ok   {seconds:6.1} s  {what}"));
            }
            Err(failure) => {
                self.line(&format!("  FAIL {seconds:6.1} s  {what}"));
                self.failed(what, failure);
            }
        }
        result
    }

    /// Remembers what puts the cluster back; runs at the story's end in reverse order, also after
    /// a failure. Say it before the change is made.
    pub(crate) fn afterwards(&mut self, what: &str, undo: impl FnOnce(&World) -> Result<()> + 'w) {
        self.undo.push((what.to_owned(), Box::new(undo)));
    }

    /// Undoes now what was remembered; every step runs even if one before it failed.
    pub(crate) fn clean_up(&mut self) {
        while let Some((what, undo)) = self.undo.pop() {
            if let Err(failure) = undo(self.world) {
                self.line(&format!("  FAIL           afterwards: {what}"));
                self.failed(&what, &failure);
            }
        }
    }

    /// One line of what is told.
    pub(crate) fn line(&mut self, text: &str) {
        match &mut self.voice {
            Voice::Aloud => line(text),
            Voice::Kept(told) => {
                told.push_str(text);
                told.push('\n');
            }
        }
    }

    fn failed(&mut self, what: &str, failure: &Failure) {
        let told = failure.to_string();
        for text in told.lines() {
            self.line(&format!("         {text}"));
        }
        let cause = told.lines().next().unwrap_or_default();
        self.tally.failed.push(format!("{what}: {cause}"));
    }

    /// Tells what was kept.
    pub(crate) fn end(self) -> Tally {
        if let Voice::Kept(told) = &self.voice {
            line(told.trim_end_matches('\n'));
        }
        self.tally
    }
}

/// Results go to standard output, unlike progress.
pub(crate) fn line(text: &str) {
    use std::io::Write as _;
    // A closed stdout is no reason to leave the cluster dirty.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
