//! The processor architectures for which kreg can write a program.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A processor architecture as Kubernetes and image indexes spell it (Go's `GOARCH`).
///
/// ```
/// use kreg_verify::image::Architecture;
/// assert_eq!("arm64".parse(), Ok(Architecture::Arm64));
/// assert!("mips".parse::<Architecture>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 32-bit ARM, EABI, from ARMv5 on.
    Arm,
    /// AArch64, little-endian.
    Arm64,
    /// POWER, 64 bits, little-endian, ELFv2.
    Ppc64le,
    /// RISC-V, 64 bits.
    Riscv64,
    /// IBM Z, 64 bits.
    S390x,
}

/// An architecture for which kreg has no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "kreg has no probe program for architecture `{0}`; it has: amd64, arm, arm64, ppc64le, riscv64, s390x"
)]
pub struct UnknownArchitecture(pub String);

impl Architecture {
    /// Every architecture there is a program for.
    pub const ALL: [Architecture; 6] = [
        Architecture::Amd64,
        Architecture::Arm,
        Architecture::Arm64,
        Architecture::Ppc64le,
        Architecture::Riscv64,
        Architecture::S390x,
    ];

    /// The `GOARCH` word, such as `amd64`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm => "arm",
            Architecture::Arm64 => "arm64",
            Architecture::Ppc64le => "ppc64le",
            Architecture::Riscv64 => "riscv64",
            Architecture::S390x => "s390x",
        }
    }

    /// That of the machine that runs this, or `amd64` where there is no program for it.
    #[must_use]
    pub fn of_this_machine() -> Architecture {
        match std::env::consts::ARCH {
            "aarch64" => Architecture::Arm64,
            "arm" => Architecture::Arm,
            "powerpc64" => Architecture::Ppc64le,
            "riscv64" => Architecture::Riscv64,
            "s390x" => Architecture::S390x,
            _ => Architecture::Amd64,
        }
    }

    /// The `variant` of the platform, where runtimes look at one.
    ///
    /// containerd reads a missing variant of `arm` as v7, which ARMv6 nodes refuse; v6 runs on both
    /// (containerd `platforms/compare.go`).
    #[must_use]
    pub fn variant(self) -> Option<&'static str> {
        match self {
            Architecture::Arm => Some("v6"),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(word: &str) -> Result<Architecture, UnknownArchitecture> {
        Architecture::ALL
            .into_iter()
            .find(|known| known.as_str() == word)
            .ok_or_else(|| UnknownArchitecture(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_is_read_as_it_is_written() {
        for arch in Architecture::ALL {
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert_eq!(serde_json::to_value(arch).unwrap(), arch.as_str());
        }
    }

    #[test]
    fn an_unknown_one_is_named_with_what_there_is() {
        let error = "mips64le".parse::<Architecture>().unwrap_err().to_string();
        assert!(
            error.contains("`mips64le`") && error.contains("arm64"),
            "{error}"
        );
    }
}
