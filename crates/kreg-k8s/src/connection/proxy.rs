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
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn chosen(kubeconfig: Option<&str>, variables: &[(&str, &str)], server: &str) -> String {
        let url = server.parse().unwrap();
        match choose(kubeconfig, &env(variables), &url) {
            Ok(Some(proxy)) => proxy.into_url().to_string(),
            Ok(None) => "direct".to_owned(),
            Err(error) => error,
        }
    }

    /// Whether `server` is reached directly although there is a proxy.
    fn exempt(no_proxy: &str, server: &str) -> bool {
        let variables = [
            ("HTTPS_PROXY", "p:1"),
            ("HTTP_PROXY", "p:1"),
            ("NO_PROXY", no_proxy),
        ];
        chosen(None, &variables, server) == "direct"
    }

    #[test]
    fn the_scheme_of_the_server_chooses_the_variable() {
        let both = [("https_proxy", "http://s:1"), ("HTTP_PROXY", "http://p:2")];
        assert_eq!(chosen(None, &both, "https://api:6443"), "http://s:1/");
        assert_eq!(chosen(None, &both, "http://api:8080"), "http://p:2/");
        assert_eq!(
            chosen(None, &[("ALL_PROXY", "p:1")], "https://api"),
            "direct"
        );
        let empty = [("HTTPS_PROXY", ""), ("https_proxy", "small:1")];
        assert_eq!(chosen(None, &empty, "https://api"), "http://small:1/");
        let cgi = [
            ("HTTP_PROXY", "p:1"),
            ("HTTPS_PROXY", "p:1"),
            ("REQUEST_METHOD", "GET"),
        ];
        assert!(chosen(None, &cgi, "http://api").contains("$REQUEST_METHOD"));
        assert_eq!(chosen(None, &cgi, "https://api"), "http://p:1/");
    }

    #[test]
    fn a_proxy_of_the_environment_is_read_as_go_reads_it() {
        let of = |value: &str| chosen(None, &[("HTTPS_PROXY", value)], "https://api:6443");
        assert_eq!(of("proxy.corp:3128"), "http://proxy.corp:3128/");
        assert_eq!(of("10.0.0.1"), "http://10.0.0.1:80/");
        assert_eq!(of("https://p"), "https://p:443/");
        assert_eq!(of("socks5://p"), "socks5://p:1080/");
        assert_eq!(of("socks5h://p:9"), "socks5://p:9/");
        assert_eq!(of("ftp://p:21"), "http://p:21/");
        assert_eq!(
            of("http://u:p%40@[fd00::1]:8/x"),
            "http://u:p%40@[fd00::1]:8/"
        );
        assert_eq!(of("http://a b"), "direct");
        assert_eq!(of("http://a%zz"), "direct");
    }

    #[test]
    fn the_kubeconfigs_proxy_holds_for_every_server_and_must_be_whole() {
        let env = [("NO_PROXY", "*"), ("HTTPS_PROXY", "http://other:1")];
        assert_eq!(
            chosen(Some("socks5://p"), &env, "https://127.0.0.1"),
            "socks5://p:1080/"
        );
        for wrong in [
            "p:3128",
            "127.0.0.1:3128",
            "ftp://p:1",
            "socks5h://p:1",
            "http://",
            "a b",
        ] {
            let error = chosen(Some(wrong), &env, "https://api");
            assert!(
                error.contains(wrong) && error.contains("proxy-url"),
                "{error}"
            );
        }
        let error = chosen(Some("ftp://u:secret@p:1"), &env, "https://api");
        assert!(
            error.contains("ftp://p:1") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn loopback_is_never_proxied() {
        for server in [
            "localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(exempt("", &format!("https://{server}:6443")), "{server}");
        }
        for server in ["localhost.corp", "LOCALHOST", "128.0.0.1", "[::2]"] {
            assert!(!exempt("", &format!("https://{server}:6443")), "{server}");
        }
    }

    #[test]
    fn no_proxy_names_addresses_networks_and_ports() {
        for (list, server) in [
            ("10.0.0.1", "10.0.0.1"),
            ("a, 10.0.0.0/8 ,b", "10.9.0.1"),
            ("10.1.2.3/8", "10.9.0.1"),
            ("10.0.0.1:6443", "10.0.0.1:6443"),
            ("10.0.0.1:443", "10.0.0.1"),
            ("fd00::/8", "[fd00::1]:6443"),
            ("fd00::1", "[fd00::1]:6443"),
            ("[fd00::1]:6443", "[fd00::1]:6443"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("*", "10.0.0.1"),
        ] {
            assert!(
                exempt(list, &format!("https://{server}")),
                "{list} {server}"
            );
        }
        for (list, server) in [
            ("10.0.0.1:443", "10.0.0.1:6443"),
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.0/8:6443", "10.0.0.1:6443"),
            ("10.0.0", "10.0.0.1"),
            ("0.0.0.1", "10.0.0.1"),
            ("[fd00::1]", "[fd00::1]:6443"),
            ("10.*", "10.0.0.1"),
            (",,", "10.0.0.1"),
        ] {
            assert!(
                !exempt(list, &format!("https://{server}")),
                "{list} {server}"
            );
        }
    }

    #[test]
    fn no_proxy_names_hosts_domains_and_ports() {
        for (list, server) in [
            ("example.com", "example.com"),
            ("example.com", "api.example.com:6443"),
            (".example.com", "a.b.example.com"),
            ("*.example.com", "api.example.com"),
            ("EXAMPLE.com", "api.Example.COM"),
            ("example.com:6443", "api.example.com:6443"),
            ("com", "example.com"),
            ("*", "example.com"),
            ("a,*,b", "example.com"),
        ] {
            assert!(
                exempt(list, &format!("https://{server}")),
                "{list} {server}"
            );
        }
        for (list, server) in [
            (".example.com", "example.com"),
            ("*.example.com", "example.com"),
            ("example.com", "badexample.com"),
            ("example.com:443", "api.example.com:6443"),
            ("api.*", "api.example.com"),
            (":6443", "example.com:6443"),
            ("https://example.com", "example.com"),
            ("example.com other.com", "example.com"),
        ] {
            assert!(
                !exempt(list, &format!("https://{server}")),
                "{list} {server}"
            );
        }
    }

    #[test]
    fn a_proxy_is_named_with_its_origin_and_without_the_password() {
        let env = env(&[("https_proxy", "http://u:secret@p:3128")]);
        let proxy = choose(None, &env, &"https://api".parse().unwrap())
            .unwrap()
            .unwrap();
        assert_eq!(proxy.to_string(), "the proxy http://p:3128 of $https_proxy");
    }
}
