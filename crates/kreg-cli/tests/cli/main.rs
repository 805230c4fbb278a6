//! All of `kreg` that needs no cluster: each run is a process that takes milliseconds and touches nothing.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod cert_lint_files;
mod commands;
mod config;
mod endings;
mod files;
mod help;
mod implicit_config;
mod issued;
mod kubectl_plugin;
mod sandbox;
mod values;
