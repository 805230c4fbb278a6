//! Whatever a file holds: every byte survives, edits touch their own line alone, nothing panics.

#![no_main]

use kreg_auth::{HashKind, Htpasswd};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let file = Htpasswd::parse(data);
    assert_eq!(file.to_bytes(), data);
    let _ = HashKind::of(data);
    let fatal = file.findings().iter().any(|finding| finding.problem.is_fatal());
    assert_eq!(file.validate().is_err(), fatal);
    for finding in file.findings() {
        assert!(!finding.to_string().is_empty() && finding.line >= 1);
    }
    // No hashing here: it would be all that the fuzzer's time goes to.
    for user in file.users() {
        let mut less = file.clone();
        if less.remove(&user.name).is_ok() {
            assert!(!less.contains(&user.name));
            assert!(less.users().len() < file.users().len());
            let kept = less.to_bytes();
            let mut rest = data.split_inclusive(|byte| *byte == b'\n');
            for line in kept.split_inclusive(|byte| *byte == b'\n') {
                assert!(rest.any(|old| old == line), "a line that was not there");
            }
        }
    }
});
