//! Large layers through the client: memory is constant in their size. How fast it goes is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)] // a test may fail by them

mod common;

use std::io;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use common::{Registry, Setup};
use futures::stream;
use kreg_registry::{Digest, RegistryClient, Repository};
use sha2::{Digest as _, Sha256};

const MIB: u64 = 1 << 20;
const PIECE: usize = 256 << 10;
/// More than a buffer or two, far less than the layers differ by.
const SLACK: u64 = 24 * MIB;

/// Bytes that do not repeat, the same for the same seed (xorshift64*).
struct Noise {
    state: u64,
    left: u64,
}

impl Noise {
    fn new(seed: u64, size: u64) -> Noise {
        Noise {
            state: seed | 1,
            left: size,
        }
    }
}

impl Iterator for Noise {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let size = (PIECE as u64).min(self.left) as usize;
        if size == 0 {
            return None;
        }
        self.left -= size as u64;
        let mut piece = BytesMut::with_capacity(size + 8);
        while piece.len() < size {
            self.state ^= self.state >> 12;
            self.state ^= self.state << 25;
            self.state ^= self.state >> 27;
            let word = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D);
            piece.extend_from_slice(&word.to_le_bytes());
        }
        piece.truncate(size);
        Some(piece.freeze())
    }
}

/// The highest resident memory of this process since the last call, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    // proc(5): 5 sets the peak back to what is resident now.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    kib << 10
}

/// Pushes and pulls a layer of this size; the peak on the way.
async fn through(client: &RegistryClient, repository: &Repository, size: u64) -> u64 {
    let mut hasher = Sha256::new();
    Noise::new(size, size).for_each(|piece| hasher.update(&piece));
    let digest = Digest::finish(hasher);
    peak();
    let begun = Instant::now();
    let content = stream::iter(Noise::new(size, size).map(io::Result::Ok));
    client
        .push_blob_stream(repository, &digest, size, content)
        .await
        .unwrap();
    let pushed = begun.elapsed();
    let begun = Instant::now();
    let back = client
        .pull_blob(repository, &digest, size, &mut tokio::io::sink())
        .await
        .unwrap();
    let pulled = begun.elapsed();
    assert_eq!(back, size);
    let peak = peak();
    let rate = |took: Duration| size as f64 / MIB as f64 / took.as_secs_f64();
    eprintln!(
        "{} MiB: pushed at {:.0} MiB/s, pulled at {:.0} MiB/s, peak {} MiB",
        size / MIB,
        rate(pushed),
        rate(pulled),
        peak / MIB
    );
    peak
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn memory_is_constant_in_the_size_of_a_layer() {
    let registry = Registry::start(Setup::default()).await;
    let client = registry.client();
    let repository: Repository = "large".parse().unwrap();
    let small = through(&client, &repository, 64 * MIB).await;
    let large = through(&client, &repository, 512 * MIB).await;
    assert!(
        large < small + SLACK,
        "64 MiB took {} MiB of memory, 512 MiB took {} MiB",
        small / MIB,
        large / MIB
    );
}
