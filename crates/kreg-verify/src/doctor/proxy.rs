//! Whether a proxy that a runtime was told of takes the traffic to an address.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The variable by which a process started with these would send its HTTPS traffic to `host` and
/// `port` through a proxy; none if the traffic goes straight.
///
/// Rules of Go's `golang.org/x/net/http/httpproxy`, by which every runtime goes: names in capitals
/// before small ones; `NO_PROXY` is a list of `*`, addresses, networks, and names that also stand
/// for all below them, each with or without a port.
#[must_use]
pub fn swallows(
    environment: &BTreeMap<String, String>,
    host: &str,
    port: u16,
) -> Option<&'static str> {
    let value = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let name = ["HTTPS_PROXY", "https_proxy"]
        .into_iter()
        .find(|name| value(name).is_some())?;
    let exceptions = value("NO_PROXY").or_else(|| value("no_proxy"));
    let host = host.trim_matches(['[', ']']).to_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return None;
    }
    let spared = exceptions.is_some_and(|list| {
        list.split(',')
            .map(|entry| entry.trim().to_lowercase())
            .any(|entry| spares(&entry, &host, address, port))
    });
    (!spared).then_some(name)
}

fn spares(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry.is_empty() {
        return false;
    }
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/')
        && let (Ok(network), Ok(bits)) = (network.parse(), bits.parse())
    {
        return address.is_some_and(|address| within(address, network, bits));
    }
    let (entry, entry_port) = with_port(entry);
    if entry_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Ok(spared) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address == Some(spared);
    }
    let entry = entry.strip_prefix('*').unwrap_or(entry);
    match entry.strip_prefix('.') {
        // `.example.com` stands for what is below it only.
        Some(below) => host
            .strip_suffix(below)
            .is_some_and(|rest| rest.ends_with('.')),
        None => {
            host == entry
                || host
                    .strip_suffix(entry)
                    .is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

/// `name:5000`, `10.0.0.1:5000` and `[::1]:5000`, not `::1`.
fn with_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Whether an address lies in the network of so many bits.
pub(super) fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (a, b, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let Some(shift) = u32::checked_sub(width, bits) else {
        return false;
    };
    a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(no_proxy: &str, host: &str) -> bool {
        let environment = BTreeMap::from([
            ("HTTPS_PROXY".to_owned(), "http://proxy:3128".to_owned()),
            ("NO_PROXY".to_owned(), no_proxy.to_owned()),
        ]);
        swallows(&environment, host, 5000).is_some()
    }

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        for spared in [
            "*",
            "10.96.0.50",
            "10.96.0.50:5000",
            "10.96.0.0/12",
            "localhost, 10.0.0.0/8 ,.svc",
            "0.0.0.0/0",
        ] {
            assert!(!judged(spared, "10.96.0.50"), "{spared}");
        }
        for swallowed in [
            "",
            ".svc",
            "10.96.0.5",
            "10.96.0.50:443",
            "10.0.0.0/16",
            "10.96.0.",
            "::/0",
            "10.96.0.0/99",
        ] {
            assert!(judged(swallowed, "10.96.0.50"), "{swallowed}");
        }
        for (list, spared) in [
            ("docker-registry", true),
            ("example.com", true),
            (".example.com", true),
            ("ample.com", false),
        ] {
            let host = if list == "docker-registry" {
                list
            } else {
                "r.example.com"
            };
            assert_eq!(!judged(list, host), spared, "{list}");
        }
        assert!(judged(".example.com", "example.com"));
        assert!(!judged("", "127.0.0.1") && !judged("", "localhost"));
    }

    #[test]
    fn without_a_proxy_for_https_nothing_is_swallowed() {
        let only_http = BTreeMap::from([("HTTP_PROXY".to_owned(), "http://p".to_owned())]);
        assert_eq!(swallows(&only_http, "10.96.0.50", 5000), None);
        let small = BTreeMap::from([("https_proxy".to_owned(), "http://p".to_owned())]);
        assert_eq!(swallows(&small, "10.96.0.50", 5000), Some("https_proxy"));
    }
}
