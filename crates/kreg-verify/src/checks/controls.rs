//! Negative controls of the transport: what must not work.

use std::time::Duration;

use futures::future::BoxFuture;
use rustls::{CertificateError, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::check::{Check, Context, Outcome};
use kreg_registry::dial::within;
use kreg_registry::{TlsFault, Transport, client_config, roots_of_pem, served_chain};

/// A client without the CA refuses the registry, and for that reason alone.
///
/// It shows that the certificate is not simply taken: the same connection, name and moment as
/// [`super::Tls`], only the trust is missing.
#[derive(Clone, Copy, Debug)]
pub struct WithoutCa;

/// The registry does not answer plain HTTP, over which passwords would travel in the clear.
#[derive(Clone, Copy, Debug)]
pub struct PlainHttp;

/// How long a server may take to be connected to, and then to turn plain HTTP down.
const PATIENCE: Duration = Duration::from_secs(10);

/// As much of an answer as is looked at.
const ANSWER_MAX_BYTES: usize = 4096;

impl Check for WithoutCa {
    fn name(&self) -> &str {
        "without-ca"
    }

    fn title(&self) -> String {
        "a client without the CA refuses the registry".to_owned()
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let transport = match client_config(RootCertStore::empty()) {
                Ok(config) => Transport::Tls(config),
                Err(error) => return Outcome::failed_by(&error),
            };
            match context.client_over(transport).ping().await {
                Ok(answer) => Outcome::fail(format!(
                    "a client that trusts no CA was answered {}; certificates are not checked",
                    answer.status
                )),
                Err(error) => {
                    let fault = error.connect().and_then(|connect| connect.fault());
                    match fault.and_then(TlsFault::certificate) {
                        Some(CertificateError::UnknownIssuer) => {
                            Outcome::pass("refused: certificate signed by unknown authority")
                        }
                        _ => Outcome::failed_by(&error).with(
                            "expected",
                            "a refusal because the certificate's issuer is unknown",
                        ),
                    }
                }
            }
        })
    }
}

impl Check for PlainHttp {
    fn name(&self) -> &str {
        "plain-http"
    }

    fn title(&self) -> String {
        "the registry does not answer plain HTTP".to_owned()
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let said = match speak_plainly(context).await {
                Ok(said) => said,
                Err(outcome) => return outcome,
            };
            let reaction = Reaction::of(&said);
            let first = String::from_utf8_lossy(&said)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            match reaction {
                Reaction::Refused => Outcome::pass(format!("refused: {first}")),
                Reaction::Alert => Outcome::pass("refused by a TLS alert"),
                Reaction::Served => Outcome::fail(format!(
                    "the registry answers plain HTTP ({first}): passwords would travel in the clear; give it a \
                     certificate and key (REGISTRY_HTTP_TLS_CERTIFICATE, REGISTRY_HTTP_TLS_KEY)"
                )),
                // Silence proves nothing by itself: a dead port is silent too.
                Reaction::Silence => silence(context).await,
            }
        })
    }
}

/// What a server made of a plain HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// 400 from a server that wants TLS, as Go's and nginx's say.
    Refused,
    /// A TLS alert record.
    Alert,
    /// An HTTP answer of any other kind.
    Served,
    /// Closed without a byte, or bytes of no known kind.
    Silence,
}

impl Reaction {
    fn of(said: &[u8]) -> Reaction {
        if said.starts_with(&[0x15, 0x03]) {
            return Reaction::Alert; // content type alert(21), legacy version 3.x: RFC 8446, 5.1
        }
        let text = String::from_utf8_lossy(said).to_ascii_lowercase();
        let Some(status) = text.strip_prefix("http/1.").and_then(|rest| rest.get(2..5)) else {
            return Reaction::Silence;
        };
        let of_the_api = text.contains("docker-distribution-api-version");
        let wants_tls = text.contains("http request") && text.contains("https");
        if status == "400" && wants_tls && !of_the_api {
            Reaction::Refused
        } else {
            Reaction::Served
        }
    }
}

/// Sends `GET /v2/` without TLS or password, and returns what comes back, until it is told apart.
async fn speak_plainly(context: &Context) -> Result<Vec<u8>, Outcome> {
    let mut stream = within(context.dial.as_ref(), PATIENCE)
        .await
        .map_err(|error| Outcome::failed_by(&error))?;
    let request = format!(
        "GET /v2/ HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        context.target.host
    );
    let mut said = Vec::new();
    let listening = async {
        stream.write_all(request.as_bytes()).await?;
        while said.len() < ANSWER_MAX_BYTES {
            // What wants TLS is known at once; the end of the connection may be long in coming.
            if stream.read_buf(&mut said).await? == 0
                || matches!(Reaction::of(&said), Reaction::Refused | Reaction::Alert)
            {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    // A server may also close before it has read or said everything: that is an answer too.
    let _ = timeout(PATIENCE, listening).await;
    Ok(said)
}

/// Silence is a refusal only if the same port does speak TLS.
async fn silence(context: &Context) -> Outcome {
    let roots = match roots_of_pem(&context.target.ca_pem) {
        Ok(roots) => roots,
        Err(error) => return Outcome::failed_by(&error),
    };
    match served_chain(context.dial.as_ref(), &context.target.host, roots).await {
        Ok(chain) if !chain.certificates.is_empty() => {
            Outcome::pass("refused: closed without an answer, while TLS is answered")
        }
        Ok(_) => Outcome::fail(
            "neither plain HTTP nor TLS is answered, so nothing is shown; is the registry running?",
        ),
        Err(error) => Outcome::failed_by(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_and_nginx_refuse_and_a_registry_without_tls_serves() {
        let go =
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        let nginx = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<h1>400</h1>The plain HTTP request was sent to HTTPS port";
        assert_eq!(Reaction::of(go), Reaction::Refused);
        assert_eq!(Reaction::of(nginx), Reaction::Refused);
        assert_eq!(
            Reaction::of(&[0x15, 0x03, 0x01, 0, 2, 2, 70]),
            Reaction::Alert
        );
        for served in [
            &b"HTTP/1.1 401 Unauthorized\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n"
                [..],
            b"HTTP/1.1 200 OK\r\n\r\n{}",
            b"HTTP/1.1 400 Bad Request\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\nhtpasswd is broken",
            b"HTTP/1.1 301 Moved\r\nLocation: https://r:5000/v2/\r\n\r\n",
        ] {
            assert_eq!(
                Reaction::of(served),
                Reaction::Served,
                "{}",
                String::from_utf8_lossy(served)
            );
        }
        for silent in [&b""[..], b"SSH-2.0-OpenSSH\r\n", b"HTTP/1."] {
            assert_eq!(Reaction::of(silent), Reaction::Silence);
        }
    }
}
