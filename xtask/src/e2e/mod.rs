//! `cargo xtask e2e`: stories told on a real cluster with the real program.
//!
//! [`story`] is what a story is made of, [`world`] where it takes place, [`stories`] what is told.
//! Every story leaves the cluster as it found it; [`snapshot`] proves that after each.

pub(crate) mod call;
mod image;
mod proxy;
mod snapshot;
mod stories;
mod story;
pub(crate) mod world;

use std::path::PathBuf;
use std::time::Instant;

use crate::cluster::{self, ClusterHandle};
use crate::failure::{Failure, Result};
use crate::packages::{self, tool};
use crate::progress::say;
use snapshot::Snapshot;
use story::{Scene, Story, Tally, line};
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
        ..cluster::Options::default()
    })?;
    let kreg = match &options.kreg {
        Some(kreg) => kreg.clone(),
        None => {
            say("building kreg");
            world::build_kreg()?
        }
    };
    tell_all(World::new(cluster, kreg)?, chosen, options.keep)
}

/// Every story, on a cluster that is up, with a program that is built.
pub(crate) fn run_all(cluster: ClusterHandle, kreg: PathBuf) -> Result<()> {
    tell_all(
        World::new(cluster, kreg)?,
        stories::ALL.iter().collect(),
        false,
    )
}

/// Results of a chore, on standard output.
pub(crate) fn print(text: &str) {
    line(text);
}

fn tell_all(world: World, stories: Vec<&Story>, keep: bool) -> Result<()> {
    packages::ensure(&[tool("ssh-keygen", "openssh-client")])?;
    let before = Snapshot::take(&world)?;
    let mut total = Tally::default();
    for story in stories {
        let tally = tell(&world, story, &before, keep);
        total.passed += tally.passed;
        total.failed += tally.failed;
        if keep && tally.failed > 0 {
            line("kept as it is: --keep was given");
            break;
        }
    }
    line(&format!("{} passed, {} failed", total.passed, total.failed));
    match total.failed {
        0 => Ok(()),
        failed => Err(Failure::new(
            "tell every story to its end",
            format!("{failed} checks failed"),
        )
        .next("look at the lines that begin with FAIL; --story NAME --keep stops there")),
    }
}

fn tell(world: &World, story: &Story, before: &Snapshot, keep: bool) -> Tally {
    let start = Instant::now();
    line(&format!("{}: {}", story.name, story.proves));
    let mut scene = Scene::new(world);
    // A failed check has been counted and shown; anything else that stops a story counts too.
    if let Err(failure) = (story.run)(&mut scene)
        && scene.tally.failed == 0
    {
        let _ = scene.check("the story goes on", |_| Err::<(), _>(failure));
    }
    if keep && scene.tally.failed > 0 {
        return scene.tally;
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
    let Tally { passed, failed } = scene.tally;
    let seconds = start.elapsed().as_secs_f64();
    line(&format!(
        "  {}: {passed} passed, {failed} failed in {seconds:.1} s\n",
        story.name
    ));
    scene.tally
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
    fn stories_are_found_by_their_names_and_names_are_unique() {
        for story in stories::ALL {
            assert_eq!(chosen(&[story.name.to_owned()]).unwrap().len(), 1);
            let same = stories::ALL.iter().filter(|other| other.name == story.name);
            assert_eq!(same.count(), 1, "{}", story.name);
        }
        assert_eq!(chosen(&[]).unwrap().len(), stories::ALL.len());
        assert!(chosen(&["no such".to_owned()]).is_err());
    }
}
