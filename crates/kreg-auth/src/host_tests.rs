use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<RegistryHost, HostError> {
    text.parse()
}

#[test]
fn good_hosts_print_as_written() {
    for (text, name, port) in [
        ("docker-registry:5000", "docker-registry", 5000),
        ("registry.example.com", "registry.example.com", 443),
        ("registry.example.com:443", "registry.example.com", 443),
        ("localhost", "localhost", 443),
        ("10.96.0.10:5000", "10.96.0.10", 5000),
        ("10.96.0.10", "10.96.0.10", 443),
        ("[fd00::10]:5000", "fd00::10", 5000),
        ("[fd00::10]", "fd00::10", 443),
        (
            "a1.kreg-system.svc.cluster.local:65535",
            "a1.kreg-system.svc.cluster.local",
            65535,
        ),
    ] {
        let host = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!((host.name(), host.port()), (name, port), "{text}");
        assert_eq!(host.to_string(), text);
        let json = serde_json::to_string(&host).unwrap();
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(serde_json::from_str::<RegistryHost>(&json).unwrap(), host);
    }
}

#[test]
fn a_bare_name_is_docker_hub_and_the_message_says_why() {
    for text in ["docker-registry", "docker-registry/app"] {
        let error = parse(text).unwrap_err();
        assert_eq!(
            error,
            HostError::DockerHub {
                given: "docker-registry".into()
            }
        );
        let message = error.to_string();
        assert!(
            message.contains("Docker Hub user `docker-registry`"),
            "{message}"
        );
        assert!(message.contains("`docker-registry:5000`"), "{message}");
    }
}

#[test]
fn bad_hosts_name_the_reason() {
    for (text, part) in [
        ("", "no name"),
        (":5000", "no name"),
        ("r:", "no port"),
        ("r:0", "no port"),
        ("r:05000", "no port"),
        ("r:+5", "no port"),
        ("r:65536", "no port"),
        ("r:5000 ", "no port"),
        ("https://r:5000", "scheme"),
        ("r:5000/app", "path"),
        ("/app", "path"),
        ("u@r:5000", "user@"),
        ("R.example:5000", "lower case"),
        ("-r:5000", "begin or end"),
        ("r_x:5000", "letters a to z"),
        ("r.:5000", "dots"),
        ("1.2.3:5000", "IPv4"),
        ("256.1.1.1:5000", "IPv4"),
        ("fd00::10", "brackets"),
        ("fd00::10:5000", "brackets"),
        ("[fd00::10", "IPv6"),
        ("[fd00::10]5000", "IPv6"),
        ("[fe80::1%eth0]:5000", "IPv6"),
        ("[::ffff:10.0.0.1]:5000", "IPv4 address"),
        ("[r.example]:5000", "IPv6"),
        ("ré:5000", "letters a to z"),
    ] {
        let message = parse(text).expect_err(text).to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
    let long = format!("{}:5000", "a.".repeat(130) + "a");
    assert!(parse(&long).unwrap_err().to_string().contains("253"));
    let label = format!("{}:5000", "a".repeat(64));
    assert!(parse(&label).unwrap_err().to_string().contains("63"));
}

#[test]
fn new_takes_bare_names_because_the_port_is_there() {
    assert_eq!(
        RegistryHost::new("docker-registry", 5000)
            .unwrap()
            .to_string(),
        "docker-registry:5000"
    );
    assert_eq!(
        RegistryHost::new("fd00:0::10", 5000).unwrap().to_string(),
        "[fd00::10]:5000"
    );
    assert!(RegistryHost::new("docker-registry", 0).is_err());
    assert!(RegistryHost::new("", 5000).is_err());
    assert!(RegistryHost::new("a:5000", 5000).is_err());
}

#[test]
fn the_registry_of_an_image() {
    let of = RegistryHost::of_image;
    assert_eq!(of("docker-registry:5000/a/b:v1").unwrap().port(), 5000);
    assert_eq!(
        of("r.example/a@sha256:00").unwrap().to_string(),
        "r.example"
    );
    assert_eq!(of("localhost/a").unwrap().name(), "localhost");
    for hub in ["nginx", "nginx:1.27", "team/app", "docker-registry/app:v1"] {
        assert!(matches!(of(hub), Err(HostError::DockerHub { .. })), "{hub}");
    }
}

proptest! {
    #[test]
    fn whatever_parses_prints_and_parses_to_itself(text in "\\PC{0,40}|[a-z0-9.:\\[\\]-]{0,40}") {
        if let Ok(host) = parse(&text) {
            prop_assert_eq!(parse(&host.to_string()).unwrap(), host.clone());
            // Every accepted host is a registry to an image client, never Docker Hub.
            prop_assert_eq!(RegistryHost::of_image(&format!("{host}/app:v1")).unwrap(), host);
        }
    }

    #[test]
    fn names_ports_and_addresses_go_round(
        name in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{1,10}){0,3}",
        port in 1u16..,
        four: [u8; 4],
        six: [u16; 8],
    ) {
        let host = RegistryHost::new(&name, port).unwrap();
        prop_assert_eq!(host.to_string(), format!("{name}:{port}"));
        let v4 = Ipv4Addr::from(four);
        let host = RegistryHost::new(&v4.to_string(), port).unwrap();
        prop_assert_eq!(host.ip(), Some(IpAddr::V4(v4)));
        let v6 = Ipv6Addr::from(six);
        if !v6.to_string().contains('.') {
            let host = parse(&format!("[{v6}]:{port}")).unwrap();
            prop_assert_eq!(host.ip(), Some(IpAddr::V6(v6)));
        }
    }
}
