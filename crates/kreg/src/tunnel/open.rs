//! A tunnel that is open, and whether it leads to the registry.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kreg_auth::RegistryHost;
use kreg_nodes::this_machine::Installed;
use kreg_registry::dial::{Dial as _, TcpDial, Tunnel, TunnelOptions, Watcher};
use kreg_registry::{RegistryClient, Transport};
use serde::Serialize;

use super::tunnels::Tunnels;
use crate::error::{Error, Tried as _, TunnelError};
use crate::event::Observer;
use crate::words::chain;

/// The shortest time between two reports of a tunnel: clients try again and again.
const QUIET: Duration = Duration::from_secs(30);

/// A tunnel that is open. Dropping it ends it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Open<'a> {
    /// Host and port by which clients know the registry.
    pub registry: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it leads to, in words.
    pub route: String,
    /// Files that were put in place until it ends.
    pub trust: Vec<String>,
    #[serde(skip)]
    host: &'a RegistryHost,
    #[serde(skip)]
    bundle_pem: &'a str,
    #[serde(skip)]
    installed: Option<&'a Installed>,
    #[serde(skip)]
    tunnel: Tunnel,
}

/// Where the registry's name leads on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// To the tunnel.
    Here,
    /// To the tunnel, at a loopback address: Docker does not verify a registry there.
    Loopback,
    /// Somewhere else, or nowhere.
    Elsewhere,
}

impl Tunnels<'_> {
    /// Listens at the address that `installed` has, else at `address`, else at 127.0.0.1; on `port`, 0 for a free one, else
    /// on the registry's. Says now and then by `lost` which connection could not be carried, with all causes.
    ///
    /// # Errors
    /// [`Error::NoCluster`], and [`TunnelError::Listen`] if the address cannot be bound.
    pub async fn open<'a>(
        &'a self,
        address: Option<IpAddr>,
        port: Option<u16>,
        installed: Option<&'a Installed>,
        lost: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Open<'a>, Error> {
        let dial = self.registry.dial()?;
        let route = dial.route();
        let ip = installed.map(Installed::address).or(address);
        let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = port.unwrap_or(self.host.port());
        let options = TunnelOptions {
            address: SocketAddr::new(ip, port),
            watcher: Some(seldom(lost)),
            ..TunnelOptions::default()
        };
        let address = options.address;
        let tunnel = Tunnel::open(Arc::new(dial), options)
            .await
            .map_err(|source| TunnelError::Listen { address, source })?;
        if let Some(installed) = installed {
            installed.claim();
        }
        Ok(Open {
            registry: self.host.to_string(),
            address: tunnel.address(),
            route,
            trust: installed.map(Installed::paths).unwrap_or_default(),
            host: &self.host,
            bundle_pem: &self.bundle_pem,
            installed,
            tunnel,
        })
    }
}

impl Open<'_> {
    /// Asks the registry through the tunnel, as a client of its CA; without a password 401 is the answer. Then waits until
    /// all clients of this machine know the name.
    ///
    /// # Errors
    /// [`TunnelError::NoAnswer`], [`TunnelError::WrongAnswer`].
    pub async fn prove(&self, on: &dyn Observer) -> Result<(), Error> {
        let address = self.address;
        let stage = on.stage("tunnel");
        let transport = Transport::trusting(self.bundle_pem)
            .tried("cannot use the CA that the cluster holds")?;
        let way = Arc::new(TcpDial::new(address.to_string()));
        let answer = RegistryClient::new(self.host.clone(), way, transport)
            .with_timeout(TunnelOptions::default().patience * 2)
            .ping()
            .await;
        let answer = answer.map_err(|cause| TunnelError::NoAnswer {
            address,
            source: cause.into(),
        })?;
        if !matches!(answer.status.as_u16(), 200 | 401) {
            return Err(TunnelError::WrongAnswer(answer.into_error().into()).into());
        }
        if let Some(installed) = self.installed {
            stage.at("waiting until dockerd reads /etc/hosts again");
            tokio::time::sleep(installed.unsettled()).await;
        }
        stage.done(format!("{address} leads to {}", self.route));
        Ok(())
    }

    /// Where the registry's name leads. Clients go by it; where it leads is this machine's matter.
    pub async fn name_leads(&self) -> Leads {
        let found = tokio::net::lookup_host((self.host.name(), self.address.port())).await;
        let here = self.address.ip();
        let is_here = found.is_ok_and(|mut found| found.any(|found| found.ip() == here));
        if !is_here || self.host.port() != self.address.port() {
            Leads::Elsewhere
        } else if here.is_loopback() {
            Leads::Loopback
        } else {
            Leads::Here
        }
    }

    /// Stops listening, ends every connection, and returns once all of it is gone.
    pub async fn close(self) {
        self.tunnel.close().await;
    }
}

/// Passes on a connection that could not be carried or broke, unless another was just before it.
fn seldom(say: impl Fn(&str) + Send + Sync + 'static) -> Watcher {
    let last = Mutex::new(None::<Instant>);
    Arc::new(move |error: &io::Error| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < QUIET) {
            return;
        }
        *last = Some(Instant::now());
        say(&format!(
            "the tunnel could not carry a connection: {}",
            chain(error)
        ));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lost_connections_the_first_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot connect")]
        struct Outer(#[source] io::Error);

        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let watcher = seldom(move |text| heard.lock().unwrap().push(text.to_owned()));
        for _ in 0..3 {
            watcher(&io::Error::other(Outer(io::Error::other("refused"))));
        }
        let told = told.lock().unwrap();
        assert_eq!(
            *told,
            ["the tunnel could not carry a connection: cannot connect: refused"]
        );
    }
}
