//! `cargo xtask e2e`: stories told on a real cluster with the real program.
//!
//! [`story`] is what a story is made of, [`world`] where it takes place, [`stories`] what is told.
//! Every story leaves the cluster as it found it; [`snapshot`] proves that after each.

pub(crate) mod call;
pub(crate) mod conformance;
mod image;
mod proxy;
mod snapshot;
mod stories;
mod story;
pub(crate) mod world;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::cluster;
use crate::failure::{Failure, Result};
use crate::packages::{self, tool};
use crate::parts::Generation;
use crate::passed::{Passed, Subject};
use crate::progress::say;
use snapshot::Snapshot;
use story::{Scene, Story, Tally, Voice, line};
use world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this story; may be repeated
    #[arg(long = "story", value_name = "NAME")]
    stories: Vec<String>,

    /// Say which stories there are, and what each proves
    #[arg(long)]
    list: bool,

    /// On the cluster of this name, made if it is not there
    #[arg(long, value_name = "NAME", default_value = "kreg")]
    cluster: String,

    /// How many nodes that cluster has; some stories need three
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    nodes: usize,

    /// Generation of Kubernetes of that cluster
    #[arg(long, value_enum, default_value_t)]
    kubernetes: Generation,

    /// With this program, instead of one built from this folder
    #[arg(long, value_name = "FILE")]
    kreg: Option<PathBuf>,

    /// Leave the cluster as it is when a story fails, for a look around
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for story in stories::ALL {
            line(&format!("{:<22} {}", story.name, story.proves));
        }
        return Ok(());
    }
    let chosen = chosen(&options.stories)?;
    let cluster = cluster::up(&cluster::Options {
        name: options.cluster.clone(),
        nodes: options.nodes,
        kubernetes: options.kubernetes,
        ..cluster::Options::default()
    })?;
    let kreg = match &options.kreg {
        Some(kreg) => kreg.clone(),
        None => {
            say("building kreg");
            world::build_kreg()?
        }
    };
    let telling = Telling::new(chosen, options.keep, true);
    telling.on(World::new(cluster, kreg)?)?;
    telling.end()
}

/// Stories that are told one after the other, on one cluster or on several side by side.
pub(crate) struct Telling<'a> {
    waiting: Mutex<VecDeque<&'static Story>>,
    /// Held by the story that changes this machine: there is one of it, however many clusters.
    this_machine: Mutex<()>,
    tally: Mutex<Tally>,
    passed: Option<&'a Passed>,
    keep: bool,
    aloud: bool,
}

impl<'a> Telling<'a> {
    /// Every story that has not passed before, for several clusters, with the names of the others.
    pub(crate) fn of_new(passed: &'a Passed) -> (Self, Vec<&'static str>) {
        let old = |story: &Story| {
            let always = stories::AT_EVERY_MERGE.contains(&story.name);
            !always && passed.before(Subject::Story(story.name))
        };
        let (old, new): (Vec<_>, Vec<_>) = stories::ALL.iter().partition(|story| old(story));
        let telling = Self {
            passed: Some(passed),
            ..Self::new(new, false, false)
        };
        (telling, old.iter().map(|story| story.name).collect())
    }

    /// How many stories nobody tells yet.
    pub(crate) fn waiting(&self) -> usize {
        locked(&self.waiting).len()
    }

    /// Those that are told on older generations of Kubernetes, too.
    pub(crate) fn of_every_kubernetes() -> Self {
        let told = stories::ALL
            .iter()
            .filter(|story| stories::ON_EVERY_KUBERNETES.contains(&story.name));
        Self::new(told.collect(), false, true)
    }

    fn new(stories: Vec<&'static Story>, keep: bool, aloud: bool) -> Self {
        Self {
            waiting: Mutex::new(stories.into()),
            this_machine: Mutex::default(),
            tally: Mutex::default(),
            passed: None,
            keep,
            aloud,
        }
    }

    /// Tells stories on this cluster for as long as one waits.
    pub(crate) fn on(&self, world: World) -> Result<()> {
        packages::ensure(&[tool("ssh-keygen", "openssh-client")])?;
        let world = world.with_cheap_passwords()?;
        let before = Snapshot::take(&world)?;
        while let Some((story, machine)) = self.next() {
            let machine = machine
                .or_else(|| stories::on_this_machine(story).then(|| locked(&self.this_machine)));
            let Tally { passed, failed } = self.tell(&world, story, &before);
            drop(machine);
            let records = self.passed.filter(|_| failed.is_empty());
            let stop = self.keep && !failed.is_empty();
            let mut sum = locked(&self.tally);
            sum.passed += passed;
            let named = failed.iter().map(|what| format!("{}: {what}", story.name));
            sum.failed.extend(named);
            drop(sum);
            if let Some(records) = records {
                records.note(Subject::Story(story.name))?;
            }
            if stop {
                line("kept as it is: --keep was given");
                break;
            }
        }
        Ok(())
    }

    /// The sum. Stories that nobody told count as failed.
    pub(crate) fn end(self) -> Result<()> {
        let Tally { passed, failed } = locked(&self.tally).clone();
        line(&format!("{passed} passed, {} failed", failed.len()));
        let untold = locked(&self.waiting)
            .iter()
            .map(|story| format!("{}: not told", story.name))
            .collect::<Vec<_>>();
        match [failed, untold].concat().as_slice() {
            [] => Ok(()),
            wrong => Err(
                Failure::new("tell every story to its end", wrong.join("\n        ")).next(
                    "look at the lines that begin with FAIL; --story NAME --keep stops there",
                ),
            ),
        }
    }

    /// The first story that can be told now; if there is none, the first, which has to wait.
    fn next(&self) -> Option<(&'static Story, Option<MutexGuard<'_, ()>>)> {
        let mut waiting = locked(&self.waiting);
        let machine = self.this_machine.try_lock().ok();
        let free = |story: &Story| machine.is_some() || !stories::on_this_machine(story);
        let at = waiting.iter().position(|story| free(story)).unwrap_or(0);
        let story = waiting.remove(at)?;
        Some((story, machine.filter(|_| stories::on_this_machine(story))))
    }

    fn tell(&self, world: &World, story: &Story, before: &Snapshot) -> Tally {
        let start = Instant::now();
        let voice = match self.aloud {
            true => Voice::Aloud,
            false => Voice::Kept(String::new()),
        };
        let mut scene = Scene::new(world, voice);
        scene.line(&format!("{}: {}", story.name, story.proves));
        // A failed check has been counted and shown; anything else that stops a story counts too.
        if let Err(failure) = (story.run)(&mut scene)
            && scene.tally.failed.is_empty()
        {
            let _ = scene.check("the story goes on", |_| Err::<(), _>(failure));
        }
        if self.keep && !scene.tally.failed.is_empty() {
            return scene.end();
        }
        scene.clean_up();
        let left = scene.check("afterwards the cluster is as it was before", |world| {
            before.await_return(world)
        });
        if left.is_err()
            && let Err(failure) = before.force_back(world)
        {
            say(format!("{failure}"));
        }
        let (passed, failed) = (scene.tally.passed, scene.tally.failed.len());
        let seconds = start.elapsed().as_secs_f64();
        scene.line(&format!(
            "  {}: {passed} passed, {failed} failed in {seconds:.1} s, on cluster {}\n",
            story.name, world.cluster.name
        ));
        scene.end()
    }
}

/// A story that panicked has been told of by its panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Results of a chore, on standard output.
pub(crate) fn print(text: &str) {
    line(text);
}

fn chosen(names: &[String]) -> Result<Vec<&'static Story>> {
    if names.is_empty() {
        return Ok(stories::ALL.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            stories::ALL
                .iter()
                .find(|story| story.name == name)
                .ok_or_else(|| {
                    Failure::new(
                        format!("find the story `{name}`"),
                        "there is none of that name",
                    )
                    .next("see `cargo xtask e2e --list`")
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_stories_that_change_this_machine_one_is_told_at_a_time() {
        let telling = Telling::new(stories::ALL.iter().collect(), false, false);
        let (first, others): (Vec<_>, Vec<_>) = std::iter::from_fn(|| telling.next())
            .collect::<Vec<_>>()
            .into_iter()
            .partition(|(_, machine)| machine.is_some());
        assert_eq!(first.len(), 1);
        let mut last = others.iter().rev().map(|(story, _)| *story);
        assert!(stories::on_this_machine(last.next().unwrap()));
        assert_eq!(first.len() + others.len(), stories::ALL.len());
    }

    #[test]
    fn stories_are_found_by_their_names_and_names_are_unique() {
        for story in stories::ALL {
            assert_eq!(chosen(&[story.name.to_owned()]).unwrap().len(), 1);
            let same = stories::ALL.iter().filter(|other| other.name == story.name);
            assert_eq!(same.count(), 1, "{}", story.name);
        }
        let on_this_machine = stories::ALL.iter().filter(|s| stories::on_this_machine(s));
        assert_eq!(on_this_machine.count(), stories::ON_THIS_MACHINE.len());
        let everywhere = locked(&Telling::of_every_kubernetes().waiting).len();
        assert_eq!(everywhere, stories::ON_EVERY_KUBERNETES.len());
        assert_eq!(chosen(&[]).unwrap().len(), stories::ALL.len());
        assert!(chosen(&["no such".to_owned()]).is_err());
    }
}
