//! A proxy on loopback, in front of the real API server, that spoils every request once: what is asked again passes.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kreg_k8s::{LiveCluster, Retry};
use kube::{Client, Config, client::Body};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this code and reason, and never reaches the server.
    Status(u16, &'static str),
    /// The connection ends before the server has seen it.
    CutBefore,
    /// The server carries it out, and its answer is lost.
    CutAfter,
}

/// Each of them.
pub const FAULTS: [Fault; 8] = [
    // As a server denies that has just been started.
    Fault::Status(403, "Forbidden"),
    Fault::Status(429, "TooManyRequests"),
    Fault::Status(500, "InternalError"),
    Fault::Status(409, "Conflict"),
    Fault::Status(503, "ServiceUnavailable"),
    Fault::Status(504, "Timeout"),
    Fault::CutBefore,
    Fault::CutAfter,
];

/// A cluster that is reached through such a proxy.
pub struct Unruly {
    pub cluster: LiveCluster,
    spoilt: Arc<AtomicUsize>,
}

impl Unruly {
    pub async fn in_front_of(real: &LiveCluster, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let spoilt = Arc::new(AtomicUsize::new(0));
        let proxy = Arc::new(Proxy {
            real: real.client().clone(),
            fault,
            seen: Mutex::default(),
            spoilt: spoilt.clone(),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = proxy.clone();
                let serve = service_fn(move |request| proxy.clone().answer(request));
                // A cut connection ends in an error, as it should.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
            }
        });
        Unruly {
            cluster: client(address),
            spoilt,
        }
    }

    /// How many requests were spoilt so far.
    pub fn spoilt(&self) -> usize {
        self.spoilt.load(Ordering::SeqCst)
    }
}

fn client(address: SocketAddr) -> LiveCluster {
    let config = Config::new(format!("http://{address}").parse().unwrap());
    let retry = Retry {
        first_pause: Duration::from_millis(5),
        ..Retry::default()
    };
    LiveCluster::from_client(Client::try_from(config).unwrap()).with_retry(retry)
}

struct Proxy {
    real: Client,
    fault: Fault,
    /// How often each request came. The same question later on is spoilt again.
    seen: Mutex<HashMap<String, usize>>,
    spoilt: Arc<AtomicUsize>,
}

impl Proxy {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, kube::Error> {
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let body = body.map_err(kube::Error::HyperError)?;
        let key = format!("{} {} {body:?}", head.method, head.uri);
        let times = {
            let mut seen = self.seen.lock().unwrap();
            let times = seen.entry(key).or_default();
            *times += 1;
            *times
        };
        let request = Request::from_parts(head, Body::from(body));
        if times % 2 == 0 {
            return self.real.send(request).await;
        }
        self.spoilt.fetch_add(1, Ordering::SeqCst);
        let cut = || kube::Error::Service("cut on purpose".into());
        match self.fault {
            Fault::Status(code, reason) => Ok(refusal(code, reason)),
            Fault::CutBefore => Err(cut()),
            Fault::CutAfter => {
                // All of the answer, so that the server is done for sure.
                let answer = self.real.send(request).await?;
                let _ = answer.into_body().collect().await;
                Err(cut())
            }
        }
    }
}

fn refusal(code: u16, reason: &str) -> Response<Body> {
    let status: Value = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": "spoilt on purpose for User \"test\"", "details": {}});
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(Body::from(status.to_string().into_bytes()))
        .unwrap()
}
