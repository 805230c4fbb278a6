//! `cargo xtask bench`: kreg beside what others do, in turns, in one run.

mod farm;
mod nodes;
mod random_image;
mod throughput;
mod timed;
mod up;

use std::path::Path;

use crate::e2e;
use crate::failure::{Result, Tried as _};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    up: up::Options,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Trust on many nodes by SSH, beside `parallel-ssh -p 32 true`
    Nodes(nodes::Options),
    /// Large layers pushed and pulled, beside skopeo and crane
    Throughput(throughput::Options),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.what {
        None => up::run(&options.up),
        Some(What::Nodes(options)) => nodes::run(options),
        Some(What::Throughput(options)) => throughput::run(options),
    }
}

/// Prints a table, and writes it to a file if one is named.
fn put(table: &str, file: Option<&Path>) -> Result<()> {
    e2e::print(table.trim_end());
    match file {
        None => Ok(()),
        Some(file) => std::fs::write(file, table).tried(|| format!("write {}", file.display())),
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        all if all.len() % 2 == 1 => all[middle],
        all => f64::midpoint(all[middle - 1], all[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
