//! What an SSH server offers: its first packet, read without libssh2 (RFC 4253, section 7.1).

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ssh2::{MethodType, Session};

use crate::transport::TransportErrorKind;

/// RFC 4253, section 6.1: what every implementation must bear.
const LONGEST_PACKET: u32 = 35_000;

/// What is agreed upon, in the order of the packet's lists.
const LISTS: [(&str, MethodType); 4] = [
    ("key exchange method", MethodType::Kex),
    ("host key algorithm", MethodType::HostKey),
    ("cipher", MethodType::CryptCs),
    ("cipher", MethodType::CryptSc),
];

/// The first of these of which the server has none that libssh2 knows.
pub(super) fn mismatch(stream: OwnedFd, limit: Duration) -> Option<TransportErrorKind> {
    // Reading and writing are the same for a socket of any kind.
    let lists = read(&mut UnixStream::from(stream), limit).ok()?;
    let session = Session::new().ok()?;
    LISTS
        .iter()
        .zip(lists)
        .find_map(|((what, method), offers)| {
            let mut known = session.supported_algs(*method).ok()?;
            known.retain(|name| !is_mark(name));
            let offers: Vec<_> = offers.into_iter().filter(|name| !is_mark(name)).collect();
            let common = offers.iter().any(|offer| known.contains(&offer.as_str()));
            (!common).then(|| TransportErrorKind::Algorithms {
                what,
                offers: offers.join(", "),
                known: known.join(", "),
            })
        })
}

/// Marks among the methods (RFC 8308; OpenSSH's PROTOCOL, "strict key exchange").
fn is_mark(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}

/// The lists of the server's SSH_MSG_KEXINIT.
fn read(stream: &mut UnixStream, limit: Duration) -> io::Result<Vec<Vec<String>>> {
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(b"SSH-2.0-kreg\r\n")?;
    let mut stream = io::BufReader::new(stream.take(4 * u64::from(LONGEST_PACKET)));
    loop {
        let mut line = String::new();
        if io::BufRead::read_line(&mut stream, &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // RFC 4253, section 4.2: other lines may come before.
        if line.starts_with("SSH-") {
            break;
        }
    }
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST_PACKET {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut packet = vec![0; length as usize];
    stream.read_exact(&mut packet)?;
    lists(&packet).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The name-lists after the padding's length, the message's number and the cookie of 16 bytes.
fn lists(packet: &[u8]) -> Option<Vec<Vec<String>>> {
    const KEXINIT: u8 = 20;
    if packet.get(1) != Some(&KEXINIT) {
        return None;
    }
    let mut rest = packet.get(18..)?;
    let mut found = Vec::new();
    for _ in LISTS {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let text = rest.get(4..length.checked_add(4)?)?;
        rest = &rest[4 + length..];
        // They are to stand in a message.
        let text: String = text
            .iter()
            .map(|&c| {
                if c.is_ascii_graphic() {
                    char::from(c)
                } else {
                    '?'
                }
            })
            .collect();
        found.push(text.split(',').map(str::to_owned).collect());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_lists_of_a_packet() {
        let mut packet = vec![4, 20];
        packet.extend([7; 16]);
        for list in [
            "mlkem768x25519-sha256,kex\u{7}",
            "ssh-ed25519",
            "aes",
            "aes",
        ] {
            packet.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            packet.extend(list.bytes());
        }
        let found = lists(&packet).unwrap();
        assert_eq!(found[0], ["mlkem768x25519-sha256", "kex?"]);
        assert_eq!(found[3], ["aes"]);
        assert_eq!(lists(&packet[..packet.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn never_panics(packet: Vec<u8>) {
            let _ = lists(&packet);
            let _ = lists(&[&[4, 20][..], &packet].concat());
        }
    }
}
