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
