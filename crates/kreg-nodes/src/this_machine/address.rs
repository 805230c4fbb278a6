//! The registry's own address on this machine's loopback device, for as long as it leads there.
//!
//! Docker resolves a registry's name, and verifies nothing that leads to 127.0.0.0/8; and clients on
//! this machine then use the very address that nodes use.

use std::net::IpAddr;
use std::process::{Command, Stdio};

use super::ThisMachineError;

const LOOPBACK: &str = "lo";

/// Puts the address there. `false` if it is there already.
pub(super) fn add(address: IpAddr) -> Result<bool, ThisMachineError> {
    match holder(address)?.as_deref() {
        Some(LOOPBACK) => Ok(false),
        Some(device) => Err(ThisMachineError::HasAddress {
            address,
            device: device.to_owned(),
        }),
        None => {
            ip(&["address", "add", &prefixed(address), "dev", LOOPBACK])?;
            Ok(true)
        }
    }
}

/// Takes it away; `false` if it is not there.
pub(super) fn remove(address: IpAddr) -> Result<bool, ThisMachineError> {
    match holder(address)?.as_deref() {
        Some(LOOPBACK) => {
            ip(&["address", "del", &prefixed(address), "dev", LOOPBACK])?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn prefixed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("{address}/32"),
        IpAddr::V6(_) => format!("{address}/128"),
    }
}

/// The device that has this very address.
fn holder(address: IpAddr) -> Result<Option<String>, ThisMachineError> {
    let told = ip(&["-oneline", "address", "show"])?;
    Ok(device_of(&told, address))
}

/// `1: lo    inet 127.0.0.1/8 scope host lo ...`
fn device_of(told: &str, address: IpAddr) -> Option<String> {
    told.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let device = words.next()?;
        let _family = words.next()?;
        let own = words.next()?.split('/').next()?;
        (own.parse() == Ok(address)).then(|| device.to_owned())
    })
}

fn ip(arguments: &[&str]) -> Result<String, ThisMachineError> {
    let said = Command::new("ip")
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ThisMachineError::NoIp {
            arguments: arguments.join(" "),
            source,
        })?;
    if !said.status.success() {
        return Err(ThisMachineError::Ip {
            arguments: arguments.join(" "),
            said: String::from_utf8_lossy(&said.stderr).trim().to_owned(),
        });
    }
    String::from_utf8(said.stdout).map_err(ThisMachineError::program("read what `ip` says"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet 10.96.0.50/32 scope global lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
4: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever
7: tun0    inet 10.8.0.6 peer 10.8.0.5/32 scope global tun0\\       valid_lft forever
";

    #[test]
    fn the_device_of_an_address_is_found_by_the_whole_address() {
        let device = |address: &str| device_of(TOLD, address.parse().unwrap());
        assert_eq!(device("10.96.0.50").as_deref(), Some("lo"));
        assert_eq!(device("192.0.2.2").as_deref(), Some("eth0"));
        assert_eq!(device("10.8.0.6").as_deref(), Some("tun0"));
        assert_eq!(device("::1").as_deref(), Some("lo"));
        assert_eq!(device("10.96.0.5"), None);
        assert_eq!(device("192.0.2.255"), None);
    }
}
