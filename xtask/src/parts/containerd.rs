//! containerd's releases that Debian does not have, each as its module publishes it.

use std::path::PathBuf;

use super::program::{Program, Source};
use crate::failure::Result;

/// A release of containerd that is built here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Containerd(Program);

/// A module's version is the one thing that every field repeats.
macro_rules! release {
    ($version:literal, $sum:literal) => {
        Containerd(Program {
            name: "containerd",
            module: "github.com/containerd/containerd/v2",
            version: concat!("v", $version),
            sum: $sum,
            siblings: None,
            at_least: &[],
            source: Source::Packages(&[
                ("containerd", "cmd/containerd"),
                ("containerd-shim-runc-v2", "cmd/containerd-shim-runc-v2"),
                ("ctr", "cmd/ctr"),
            ]),
            variables: &[concat!(
                "github.com/containerd/containerd/v2/version.Version=v",
                $version
            )],
        })
    };
}

impl Containerd {
    /// What the nodes run.
    pub(crate) const NODES: Containerd =
        release!("2.4.2", "h1:p6Qg+xbEz8lvwdhHDx0U469xENvp4LgGBx+E7djXkGw=");

    /// Those that tests pull with: one of each minor, and of 2.2 also one whose own default
    /// configuration names the list of directories (2.2.0 and 2.2.1).
    pub(crate) const ALL: [Containerd; 5] = [
        Containerd::NODES,
        release!("2.3.7", "h1:7PGbgAVKE4ieQjFPv7+kwAv7f9dCtRpExZwjExHD/Fk="),
        release!("2.2.9", "h1:ddw9THGOXhcKnHORjkKoXtazPjwtcPwmqk8AVyRpfZw="),
        release!("2.2.1", "h1:TpyxcY4AL5A+07dxETevunVS5zxqzuq7ZqJXknM11yk="),
        release!("2.0.14", "h1:f+wIN6XMP+EsDTD8eKc4aCTMxmb184p/ICs0KQYCYBg="),
    ];

    /// Such as `2.4.2`.
    pub(crate) fn version(self) -> &'static str {
        self.0.version.trim_start_matches('v')
    }

    /// Directory with [`Containerd::PROGRAMS`], static.
    pub(crate) fn build(self) -> Result<PathBuf> {
        self.0.build(|_, _| Ok(()))
    }

    /// What the directory holds.
    pub(crate) const PROGRAMS: [&str; 3] = ["containerd", "containerd-shim-runc-v2", "ctr"];
}
