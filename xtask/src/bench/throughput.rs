//! Large layers pushed and pulled by kreg's client, by skopeo and by crane, on one registry in one run.
//!
//! They take turns, in another order in each round; the ratio is that of each round, and of those
//! the median is told. All read one OCI image layout on the disk, and write one. They run on this
//! machine, in the network of a node, where the Service's address leads to the registry.

mod clients;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use self::clients::{CLIENTS, Clients};
use super::random_image::{RandomImage, Shape};
use super::{median, put};
use crate::cluster;
use crate::e2e::world::{World, build_kreg};
use crate::failure::{Result, Tried as _};
use crate::images::REGISTRY;
use crate::packages::{self, tool};
use crate::process::Run;
use crate::progress::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Images, by number and size of their layers in MiB; each is measured
    #[arg(
        long,
        value_name = "LAYERSxMIB",
        value_delimiter = ',',
        default_value = "8x128,1x1024,1x128"
    )]
    images: Vec<Shape>,

    /// How often each is measured; the clients take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// On the cluster of this name, made if it is not there
    #[arg(long, value_name = "NAME", default_value = "kreg")]
    cluster: String,

    /// Also write the table to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Also write every figure to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was measured with one image.
#[derive(Debug, Serialize)]
struct Figures {
    image: Shape,
    push: [Measured; CLIENTS.len()],
    pull: [Measured; CLIENTS.len()],
}

/// Of one client, one way.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    /// A round each.
    seconds: Vec<f64>,
    /// The most that it held in any round (`VmHWM`).
    memory_kib: u64,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    kind: &'static str,
    about: &'a str,
    clients: [&'static str; CLIENTS.len()],
    images: &'a [Figures],
}

pub(crate) fn run(options: &Options) -> Result<()> {
    packages::ensure(&[
        tool("skopeo", "skopeo"),
        tool("nsenter", "util-linux"),
        tool("mount", "mount"),
    ])?;
    let cluster = cluster::up(&cluster::Options {
        name: options.cluster.clone(),
        ..cluster::Options::default()
    })?;
    let world = World::new(cluster, build_kreg()?)?;
    let measured = world
        .kreg(["up", "--skip-verify"])
        .good()
        .and_then(|_| all(&world, options));
    let gone = world.kreg(["down", "--delete-data", "--yes"]).good();
    let (about, images) = gone.and(measured)?;
    put(&table(&about, &images), options.write.as_deref())?;
    if let Some(file) = &options.json {
        let document = Document {
            schema: "kreg/v1",
            kind: "BenchThroughput",
            about: &about,
            clients: CLIENTS.map(|client| client.name()),
            images: &images,
        };
        let text = serde_json::to_string_pretty(&document).tried(|| "write JSON".to_owned())?;
        fs::write(file, text + "\n").tried(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

fn all(world: &World, options: &Options) -> Result<(String, Vec<Figures>)> {
    let clients = Clients::new(world)?;
    let mut images = Vec::new();
    for shape in &options.images {
        say(format!("making an image of {shape}"));
        let image = RandomImage::make(*shape, world.file("source"))?;
        let figures = measure(world, &clients, &image, options.rounds)?;
        let remove = || format!("remove {}", image.folder.display());
        fs::remove_dir_all(&image.folder).tried(remove)?;
        images.push(figures);
    }
    Ok((about(&clients, options.rounds)?, images))
}

fn measure(world: &World, clients: &Clients, image: &RandomImage, rounds: u16) -> Result<Figures> {
    let shape = image.shape;
    let mut figures = Figures {
        image: shape,
        push: Default::default(),
        pull: Default::default(),
    };
    let repository = |which: &str| format!("{}x{}/{which}", shape.layers, shape.mib);
    // From here on the registry's storage has the blobs, for every client: it stores them once.
    clients.push(CLIENTS[0], image, &repository("first"))?;
    let target = world.file("target");
    for round in 1..=rounds {
        for turn in 0..CLIENTS.len() {
            let at = (turn + usize::from(round)) % CLIENTS.len();
            let client = CLIENTS[at];
            // A repository that has nothing yet, so that everything is sent.
            let repository = repository(&format!("{}-{round}", client.name()));
            settle()?;
            let push = clients.push(client, image, &repository)?;
            settle()?;
            let pull = clients.pull(client, image, &repository, &target)?;
            fs::remove_dir_all(&target).tried(|| format!("remove {}", target.display()))?;
            say(format!(
                "{shape}, round {round}: {:>6} pushed in {:5.2} s, pulled in {:5.2} s, held {:3.0} and {:3.0} MiB",
                client.name(),
                push.seconds,
                pull.seconds,
                mib(push.peak_kib),
                mib(pull.peak_kib),
            ));
            for (all, one) in [(&mut figures.push, push), (&mut figures.pull, pull)] {
                all[at].seconds.push(one.seconds);
                all[at].memory_kib = all[at].memory_kib.max(one.peak_kib);
            }
        }
    }
    Ok(figures)
}

/// What the one before has left to be written does not weigh on the next.
fn settle() -> Result<()> {
    Run::new("sync").run()
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn about(clients: &Clients, rounds: u16) -> Result<String> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(format!(
        "{rounds} rounds, taking turns; ratios are medians of each round's. Layers of random bytes; from an OCI image \
         layout on the disk, and into one; in every round into a repository that is empty. Each client verifies the \
         registry's certificate and logs in. {}; kreg's is the example `transfer` of kreg-registry, built for release. \
         Registry image {REGISTRY} with 2 more nodes on the same {cores} cores",
        clients.versions()?
    ))
}

fn table(about: &str, images: &[Figures]) -> String {
    let names = CLIENTS.map(|client| client.name());
    let [kreg, others @ ..] = &names;
    let mut text = "| layers | what |".to_owned();
    for name in &names {
        let _ = write!(text, " {name} |");
    }
    for other in others {
        let _ = write!(text, " {kreg} to {other} |");
    }
    for name in &names {
        let _ = write!(text, " memory of {name} |");
    }
    let columns = names.len() * 2 + others.len();
    let _ = writeln!(text, "\n|---|---|{}", "---:|".repeat(columns));
    for one in images {
        for (what, measured) in [("push", &one.push), ("pull", &one.pull)] {
            let _ = write!(text, "| {} | {what} |", one.image);
            for client in measured {
                let _ = write!(text, " {:.2} s |", median(&client.seconds));
            }
            let [kreg, others @ ..] = measured;
            for other in others {
                let ratios = kreg.seconds.iter().zip(&other.seconds).map(|(a, b)| a / b);
                let _ = write!(text, " {:.2} |", median(&ratios.collect::<Vec<_>>()));
            }
            for client in measured {
                let _ = write!(text, " {:.0} MiB |", mib(client.memory_kib));
            }
            text.push('\n');
        }
    }
    let _ = writeln!(text, "\n{about}.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_the_median_of_the_ratios() {
        let of = |seconds: [f64; 3], mib: u64| Measured {
            seconds: seconds.to_vec(),
            memory_kib: mib << 10,
        };
        let figures = Figures {
            image: "8x128".parse().unwrap(),
            push: [of([1.0, 4.0, 2.0], 9), of([2.0; 3], 80), of([4.0; 3], 20)],
            pull: [of([3.0; 3], 10), of([2.0; 3], 81), of([1.5; 3], 21)],
        };
        let table = table("a machine", &[figures]);
        for row in [
            "| layers | what | kreg | skopeo | crane | kreg to skopeo | kreg to crane | memory of kreg | memory of skopeo | memory of crane |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
            "| 8 x 128 MiB | push | 2.00 s | 2.00 s | 4.00 s | 1.00 | 0.50 | 9 MiB | 80 MiB | 20 MiB |\n",
            "| 8 x 128 MiB | pull | 3.00 s | 2.00 s | 1.50 s | 1.50 | 2.00 | 10 MiB | 81 MiB | 21 MiB |\n",
            "\na machine.\n",
        ] {
            assert!(table.contains(row), "{row}{table}");
        }
    }
}
