//! A TCP proxy that dies on purpose: it cuts every connection, and takes no new one, once clients
//! have sent a given number of bytes. So an API server "goes away" at a chosen point of a run.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::failure::{Result, Tried as _};

/// A proxy on a port of this machine; it lives until its budget is spent or it is dropped.
#[derive(Debug)]
pub(crate) struct CuttingProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    budget: u64,
    sent: AtomicU64,
    /// `None` once it is cut.
    open: Mutex<Option<Vec<TcpStream>>>,
}

impl CuttingProxy {
    /// Listens, and passes on to `server` until clients have sent `budget` bytes.
    pub(crate) fn start(server: SocketAddr, budget: u64) -> Result<Self> {
        let listener =
            TcpListener::bind("127.0.0.1:0").tried(|| "listen on 127.0.0.1".to_owned())?;
        let address = listener
            .local_addr()
            .tried(|| "read the proxy's own address".to_owned())?;
        let shared = Arc::new(Shared {
            server,
            budget,
            sent: AtomicU64::new(0),
            open: Mutex::new(Some(Vec::new())),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(std::io::Result::ok) {
                if server.accept(client).is_none() {
                    // The listener is dropped: from now on connections are refused.
                    return;
                }
            }
        });
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that clients have sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.shared.open.lock().is_ok_and(|open| open.is_none())
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.shared.cut();
        // Wakes the listener up, so that its thread sees the cut and ends.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Shared {
    /// `None`: cut.
    fn accept(self: &Arc<Self>, client: TcpStream) -> Option<()> {
        if self.open.lock().ok()?.is_none() {
            return None;
        }
        let Ok(server) = TcpStream::connect_timeout(&self.server, Duration::from_secs(10)) else {
            return Some(());
        };
        let pair = (client.try_clone(), server.try_clone());
        let (Ok(client_too), Ok(server_too)) = pair else {
            return Some(());
        };
        let remembered = [client.try_clone(), server.try_clone()];
        self.open
            .lock()
            .ok()?
            .as_mut()?
            .extend(remembered.into_iter().flatten());
        let counting = Arc::clone(self);
        thread::spawn(move || pass(client, server, |bytes| counting.spend(bytes)));
        thread::spawn(move || pass(server_too, client_too, |_| true));
        Some(())
    }

    /// Whether these bytes may still pass.
    fn spend(&self, bytes: u64) -> bool {
        let before = self.sent.fetch_add(bytes, Ordering::SeqCst);
        let allowed = before + bytes <= self.budget;
        if !allowed {
            self.cut();
        }
        allowed
    }

    fn cut(&self) {
        let Ok(mut open) = self.open.lock() else {
            return;
        };
        for stream in open.take().into_iter().flatten() {
            // Already closed is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, may: impl Fn(u64) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        if !may(bytes as u64) || to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends every byte back.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (from, to) = (stream.try_clone().unwrap(), stream);
                    pass(from, to, |_| true);
                });
            }
        });
        address
    }

    fn connect(proxy: &CuttingProxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    #[test]
    fn it_passes_on_until_the_budget_is_spent_and_then_cuts_all() {
        let proxy = CuttingProxy::start(echo(), 10).unwrap();
        let (mut one, mut other) = (connect(&proxy), connect(&proxy));
        let mut back = [0; 5];
        for stream in [&mut one, &mut other] {
            stream.write_all(b"hello").unwrap();
            stream.read_exact(&mut back).unwrap();
            assert_eq!(&back, b"hello");
        }
        assert!(!proxy.is_cut());
        one.write_all(b"x").unwrap();
        for stream in [&mut one, &mut other] {
            assert!(!matches!(stream.read(&mut back), Ok(1..)));
        }
        assert!(proxy.is_cut());
        assert_eq!(proxy.sent(), 11);
        let mut late = connect(&proxy);
        let _ = late.write_all(b"late");
        assert!(!matches!(late.read(&mut back), Ok(1..)));
    }
}
