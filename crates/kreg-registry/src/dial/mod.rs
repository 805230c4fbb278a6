//! Ways to reach a registry, also one whose name does not resolve here.

mod connection;
mod tcp;
mod tunnel;

pub use connection::{BoxedIo, Dial, DialError, Io, within};
pub use tcp::TcpDial;
pub use tunnel::{Tunnel, TunnelOptions, Watcher};
