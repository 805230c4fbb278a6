//! containerd's releases that most nodes run, by configurations from the field.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

#[path = "common/entered.rs"]
mod entered;
#[path = "common/judge.rs"]
mod judge;
#[path = "common/machine.rs"]
mod machine;

use rstest::rstest;

#[rstest]
#[case::v1_6("12", "1.6.20")]
#[case::v1_7("13", "1.7.24")]
#[case::v2_1("14", "2.1.9")]
#[case::v2_4("containerd-2.4.2", "2.4.2")]
#[ignore = "needs Docker with images kreg.test/runtimes: run by cargo xtask test"]
fn kreg_and_containerd_agree(#[case] image: &str, #[case] version: &str) {
    judge::judge(image, version);
}
