//! The Go that builds the parts, and whether it is new enough.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::process::{Run, find};

/// A `go` on `PATH` of at least this version (`1.24.0`, as in a go.mod), asked in `directory`: where
/// `GOTOOLCHAIN` allows it, Go fetches the version that the go.mod there wants.
pub(super) fn at_least(needed: &str, directory: &Path) -> Result<()> {
    let tried = || format!("find Go {needed} or newer");
    if find("go").is_none() {
        return Err(Failure::new(tried(), "there is no `go` on PATH").next(advice(needed)));
    }
    let found = Run::new("go")
        .args(["env", "GOVERSION"])
        .cwd(directory)
        .read()?;
    if number(&found) < number(needed) {
        return Err(
            Failure::new(tried(), format!("the `go` on PATH is {found}")).next(advice(needed)),
        );
    }
    Ok(())
}

fn advice(needed: &str) -> String {
    format!(
        "put Go {needed} or newer first on PATH (Debian 13: apt-get install golang-go; \
         Debian 12 has only 1.19), then run this again"
    )
}

/// `go1.26.8`, `v1.24` or `go1.27rc1 X:…` as a number that can be compared; a missing patch is 0.
pub(crate) fn number(version: &str) -> [u32; 3] {
    let mut number = [0; 3];
    let version = version
        .trim()
        .trim_start_matches("go")
        .trim_start_matches('v');
    for (place, part) in number.iter_mut().zip(version.split('.')) {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        *place = part[..digits].parse().unwrap_or(0);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert!(number("go1.9") < number("1.24.0"));
        assert!(number("go1.26.8") >= number("1.24.0"));
        assert!(number("go1.24") >= number("1.24.0"));
        assert!(number("go1.19.8") < number("1.24"));
        assert_eq!(number("go1.27rc1 X:nocoverageredesign"), [1, 27, 0]);
    }
}
