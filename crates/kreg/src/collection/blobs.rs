//! What no image needs.

use std::fmt;

use serde::Serialize;

use crate::words::count;

/// Blobs: layers, configurations and manifests. `Display` says how many, and how much room they take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Blobs {
    /// Their digests.
    #[serde(rename = "blobs")]
    pub digests: Vec<String>,
    /// How many bytes they take; `None` where the storage does not say (S3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl fmt::Display for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&count(self.digests.len(), "blob"))?;
        match self.bytes {
            Some(bytes) => write!(f, ", {}", human(bytes)),
            None => Ok(()),
        }
    }
}

/// `1.5 GiB`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
    let mut amount = bytes as f64;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{amount:.1} {}", UNITS.get(unit).unwrap_or(&"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_said_in_the_unit_that_fits() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(1 << 30), "1.0 GiB");
        assert_eq!(human(u64::MAX), "16777216.0 TiB");
    }
}
