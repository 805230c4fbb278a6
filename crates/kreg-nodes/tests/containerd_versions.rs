//! The other releases of containerd, by the same configurations.
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
#[case::v2_0("containerd-2.0.14", "2.0.14")]
#[case::v2_2_with_an_explicit_list("containerd-2.2.1", "2.2.1")]
#[case::v2_2("containerd-2.2.9", "2.2.9")]
#[case::v2_3("containerd-2.3.7", "2.3.7")]
#[ignore = "needs Docker with images kreg.test/runtimes: run by cargo xtask test"]
fn kreg_and_containerd_agree(#[case] image: &str, #[case] version: &str) {
    judge::judge(image, version);
}
