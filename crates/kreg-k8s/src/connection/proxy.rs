//! Which proxy leads to a server: the kubeconfig's, else the environment's, by the rules that kubectl has from Go.
//!
//! Source: golang.org/x/net, `http/httpproxy/proxy.go`; client-go, `tools/clientcmd/helpers.go`. No crate has these rules:
//! those of hyper-util and reqwest are curl's, without ports in NO_PROXY.

use std::{fmt, net::IpAddr};

use http::Uri;
use ipnet::IpNet;

/// The variables that name proxies, each by its name in capitals or else in small letters.
#[derive(Default)]
pub(crate) struct Environment {
    https_proxy: Option<(&'static str, String)>,
    http_proxy: Option<(&'static str, String)>,
    no_proxy: String,
    /// A CGI program gets HTTP_PROXY from its client (httpoxy.org).
    is_cgi: bool,
}

impl Environment {
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = variable(name).filter(|value| !value.is_empty())?;
                Some((name, value))
            })
        };
        Environment {
            https_proxy: first(["HTTPS_PROXY", "https_proxy"]),
            http_proxy: first(["HTTP_PROXY", "http_proxy"]),
            no_proxy: first(["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, list)| list),
            is_cgi: variable("REQUEST_METHOD").is_some_and(|method| !method.is_empty()),
        }
    }
}

/// A proxy, and who named it. `Display` leaves out user and password.
pub(crate) struct Proxy {
    url: Uri,
    /// The variable; `None` is the kubeconfig.
    named_by: Option<&'static str>,
}

impl Proxy {
    /// `http`, `https` or `socks5`, with host and port, and with user and password if it has them.
    pub(crate) fn into_url(self) -> Uri {
        self.url
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let host = self.url.host().unwrap_or_default();
        let port = self.url.port_u16().unwrap_or_default();
        write!(f, "the proxy {scheme}://{host}:{port} of ")?;
        match self.named_by {
            Some(variable) => write!(f, "${variable}"),
            None => f.write_str("the kubeconfig"),
        }
    }
}

/// The proxy to `server`, if any. That of the kubeconfig holds for every server; that of the environment neither for
/// loopback nor for what NO_PROXY names.
pub(crate) fn choose(
    kubeconfig: Option<&str>,
    environment: &Environment,
    server: &Uri,
) -> Result<Option<Proxy>, String> {
    if let Some(given) = kubeconfig {
        let url = parse(given)
            .filter(|url| matches!(url.scheme_str(), Some("http" | "https" | "socks5")));
        let url = url.and_then(|url| with_port(&url)).ok_or_else(|| {
            format!(
                "the kubeconfig's proxy-url {:?} is not a valid proxy: it must be http, https or socks5, such as \
                 http://HOST:PORT",
                without_user(given)
            )
        })?;
        return Ok(Some(Proxy {
            url,
            named_by: None,
        }));
    }
    let is_http = server.scheme_str() == Some("http");
    let of_scheme = match is_http {
        true => &environment.http_proxy,
        false => &environment.https_proxy,
    };
    let Some((named_by, given)) = of_scheme else {
        return Ok(None);
    };
    // What cannot be read counts as nothing.
    let Some(url) = parse(given).or_else(|| parse(&format!("http://{given}"))) else {
        return Ok(None);
    };
    if is_http && environment.is_cgi {
        return Err(format!(
            "${named_by} is not used where $REQUEST_METHOD is set: a CGI program's client may have chosen it"
        ));
    }
    if !leads_to(server, &environment.no_proxy) {
        return Ok(None);
    }
    let url = with_port(&known(&url)).ok_or_else(|| {
        format!(
            "${named_by} {:?} is not a valid proxy, such as http://HOST:PORT",
            without_user(given)
        )
    })?;
    let named_by = Some(*named_by);
    Ok(Some(Proxy { url, named_by }))
}

/// A URL with scheme and host.
fn parse(text: &str) -> Option<Uri> {
    let mut escapes = text.split('%').skip(1);
    if !escapes
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
    {
        return None;
    }
    let url: Uri = text.parse().ok()?;
    let whole = url.scheme().is_some() && url.host().is_some_and(|host| !host.is_empty());
    whole.then_some(url)
}

/// Go takes any other scheme for HTTP (net/http, `transport.go`, `dialConn`), and `socks5h` for SOCKS5.
fn known(url: &Uri) -> Uri {
    let scheme = match url.scheme_str() {
        Some(scheme @ ("http" | "https" | "socks5")) => scheme,
        Some("socks5h") => "socks5",
        _ => "http",
    };
    let mut parts = url.clone().into_parts();
    parts.scheme = scheme.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

fn with_port(url: &Uri) -> Option<Uri> {
    let authority = url.authority()?.as_str();
    let default = match url.scheme_str() {
        Some("https") => 443,
        Some("socks5") => 1080,
        _ => 80,
    };
    let authority = match url.port_u16() {
        Some(_) => authority.to_owned(),
        None => format!("{}:{default}", authority.trim_end_matches(':')),
    };
    let url = Uri::builder()
        .scheme(url.scheme()?.clone())
        .authority(authority);
    url.path_and_query("/").build().ok()
}

/// The text without what stands before an `@`.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match scheme {
        "" => rest.to_owned(),
        scheme => format!("{scheme}://{rest}"),
    }
}

/// Whether a proxy of the environment is for this server.
fn leads_to(server: &Uri, no_proxy: &str) -> bool {
    let host = server.host().unwrap_or_default();
    if host == "localhost" {
        return false;
    }
    let host = host.trim_matches(['[', ']']).to_lowercase();
    // In Go, an IPv4 address is equal to its form in IPv6.
    let address: Option<IpAddr> = host.parse().ok().map(|ip: IpAddr| ip.to_canonical());
    if address.is_some_and(|ip| ip.is_loopback()) {
        return false;
    }
    let default = if server.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let port = server.port_u16().unwrap_or(default).to_string();
    let exempt = |entry: &str| match address {
        Some(address) => names_address(entry, address, &port),
        None => names_host(entry, &host, &port),
    };
    !no_proxy.split(',').any(|entry| {
        let entry = entry.trim().to_lowercase();
        entry == "*" || exempt(&entry)
    })
}

fn names_address(entry: &str, address: IpAddr, port: &str) -> bool {
    if entry.contains('/') {
        return entry.parse().is_ok_and(|net: IpNet| net.contains(&address));
    }
    let (host, wanted) = split(entry);
    let named: Option<IpAddr> = host.parse().ok();
    named.is_some_and(|ip| ip.to_canonical() == address) && (wanted.is_empty() || wanted == port)
}

/// `example.com` stands for itself and all below it, `.example.com` and `*.example.com` only for what is below.
fn names_host(entry: &str, host: &str, port: &str) -> bool {
    let (name, wanted) = split(entry);
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    let below = name.strip_prefix('.');
    let parent = below.unwrap_or(name);
    let is_below = host
        .strip_suffix(parent)
        .is_some_and(|rest| rest.ends_with('.'));
    !name.is_empty()
        && name.parse::<IpAddr>().is_err()
        && (is_below || (below.is_none() && host == parent))
        && (wanted.is_empty() || wanted == port)
}

/// Host and port as Go's `net.SplitHostPort` sees them; what it cannot split is a host.
fn split(entry: &str) -> (&str, &str) {
    if let Some(rest) = entry.strip_prefix('[') {
        return match rest.split_once("]:") {
            Some((host, port)) => (host, port),
            None => (entry, ""),
        };
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port),
        _ => (entry, ""),
    }
}

#[cfg(test)]
mod tests;
