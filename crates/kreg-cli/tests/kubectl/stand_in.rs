//! A stand-in for an API server: it answers just enough for `kubectl get --raw /version`, `kubectl exec` and kreg, and
//! remembers who asked, and which way the connection came.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, WebSocket, protocol::Role};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The account that the peer runs as: each proxy has its own.
    pub(crate) uid: u32,
    /// Without a query.
    pub(crate) path: String,
    /// The token, and whom it acts as.
    pub(crate) user: String,
}

#[derive(Clone, Default)]
pub(crate) struct StandIn {
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl StandIn {
    /// Listens at this address, with or without TLS.
    pub(crate) fn listen(&self, address: &str, tls: Option<Arc<ServerConfig>>) {
        let listener = TcpListener::bind(address).unwrap();
        let this = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, this, tls) = (stream.unwrap(), this.clone(), tls.clone());
                std::thread::spawn(move || this.serve(stream, tls));
            }
        });
    }

    /// What was asked since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    fn serve(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let uid = uid(stream.peer_addr().unwrap(), stream.local_addr().unwrap());
        match tls {
            Some(tls) => {
                let session = ServerConnection::new(tls).unwrap();
                self.answer(uid, StreamOwned::new(session, stream));
            }
            None => self.answer(uid, stream),
        }
    }

    fn answer(&self, uid: u32, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream) {
            self.seen.lock().unwrap().push(Seen {
                uid,
                path: request.path.clone(),
                user: request.user(),
            });
            if let Some(key) = request.header("sec-websocket-key") {
                let accept = derive_accept_key(key.as_bytes());
                let protocol = request.header("sec-websocket-protocol").unwrap_or_default();
                let protocol = protocol.split(',').next().unwrap().to_owned();
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                     sec-websocket-accept: {accept}\r\nsec-websocket-protocol: {protocol}\r\n\r\n"
                );
                let mut stream = stream.into_inner();
                if stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.flush())
                    .is_ok()
                {
                    a_program_that_ends_well(stream);
                }
                return;
            }
            let (status, body) = body(&request.path);
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let stream = stream.get_mut();
            if stream
                .write_all(answer.as_bytes())
                .and_then(|()| stream.flush())
                .is_err()
            {
                return;
            }
        }
    }
}

fn a_program_that_ends_well(stream: impl Read + Write) {
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    let status =
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    let message = [vec![3], status.to_string().into_bytes()].concat();
    // The other end may be gone by now; what counts was seen.
    let _ = socket.send(Message::binary(message));
    let _ = socket.close(None);
    while socket.read().is_ok() {}
}

fn body(path: &str) -> (&'static str, Value) {
    match path {
        "/version" => (
            "200 OK",
            json!({ "major": "1", "minor": "37", "gitVersion": "v1.37.2",
            "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
        ),
        "/readyz" => ("200 OK", json!("ok")),
        "/api" => (
            "200 OK",
            json!({ "kind": "APIVersions", "versions": ["v1"] }),
        ),
        "/apis" => (
            "200 OK",
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] }),
        ),
        "/api/v1" => (
            "200 OK",
            json!({ "kind": "APIResourceList", "groupVersion": "v1", "resources": [
            { "name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get"] } ] }),
        ),
        "/api/v1/namespaces/default/pods/p" => (
            "200 OK",
            json!({ "kind": "Pod", "apiVersion": "v1",
            "metadata": { "name": "p", "namespace": "default" },
            "spec": { "containers": [{ "name": "c", "image": "i" }] }, "status": { "phase": "Running" } }),
        ),
        _ => (
            "403 Forbidden",
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "reason": "Forbidden", "code": 403, "message": "User \"test\" cannot do that" }),
        ),
    }
}

struct Request {
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(stream: &mut BufReader<impl Read>) -> Option<Request> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream
                .read_line(&mut line)
                .ok()
                .filter(|&length| length > 0)?;
            match line.trim_end() {
                "" if lines.is_empty() => {}
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let target = lines[0].split(' ').nth(1)?;
        let path = target.split('?').next()?.to_owned();
        let headers = lines[1..]
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let request = Request { path, headers };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        stream.read_exact(&mut vec![0; length]).ok()?;
        Some(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.headers.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn user(&self) -> String {
        let token = self
            .header("authorization")
            .unwrap_or("nobody")
            .trim_start_matches("Bearer ");
        let groups: Vec<_> = self.all("impersonate-group").collect();
        match self.header("impersonate-user") {
            None => token.to_owned(),
            Some(user) if groups.is_empty() => format!("{token} as {user}"),
            Some(user) => format!("{token} as {user} in {}", groups.join(", ")),
        }
    }
}

/// Whose the other end of a connection is, which is on this machine.
/// Source: Linux, `Documentation/networking/proc_net_tcp.rst`.
fn uid(peer: SocketAddr, local: SocketAddr) -> u32 {
    let ends = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let port = |field: &str| u16::from_str_radix(field.rsplit(':').next()?, 16).ok();
        let both = (port(fields.get(1)?)?, port(fields.get(2)?)?);
        // A connection of the same ports that has ended is kept for a while, as nobody's.
        let is_open = *fields.get(3)? == "01";
        (is_open && both == (peer.port(), local.port()))
            .then(|| fields.get(7)?.parse::<u32>().ok())?
    };
    // The kernel shows it at once; a process that ended already has none any more.
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let tables = tables.map(|table| std::fs::read_to_string(table).unwrap());
    tables
        .iter()
        .flat_map(|table| table.lines())
        .find_map(ends)
        .unwrap_or(u32::MAX)
}
