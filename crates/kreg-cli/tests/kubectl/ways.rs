//! Which way both go to the server, for each form of a proxy and of what is exempt.

use std::collections::BTreeSet;

use crate::page::{Answer, Row};
use crate::stand_in::Seen;
use crate::world::{ADDRESS, Input, World};

const SERVER: &str = "https://10.77.0.1:6443";
const NAMED: &str = "https://api.kreg.test:6443";
const SIX: &str = "https://[fd77::1]:6443";
const HTTP: &str = "http://$P:3128";

/// Server, `proxy-url`, environment.
type Case = (&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    // What names a proxy, and how it is spoken to.
    (SERVER, "", ""),
    (SERVER, "", "HTTPS_PROXY=http://$P:3128"),
    (SERVER, "", "https_proxy=http://$P:3128"),
    (SERVER, "", "HTTPS_PROXY= https_proxy=http://$P:3128"),
    (SERVER, "", "HTTPS_PROXY=$P:3128"),
    (SERVER, "", "HTTP_PROXY=http://$P:3128"),
    (SERVER, "", "ALL_PROXY=http://$P:3128"),
    (SERVER, "", "HTTPS_PROXY=https://proxy.kreg.test:3131"),
    (SERVER, "", "HTTPS_PROXY=socks5://$P:1080"),
    (SERVER, "", "HTTPS_PROXY=socks5h://$P"),
    (NAMED, "", "HTTPS_PROXY=socks5://$P:1080"),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128"),
    (SIX, "", "HTTPS_PROXY=http://$P:3128"),
    (SIX, "", "HTTPS_PROXY=socks5://$P:1080"),
    (SERVER, "", "HTTPS_PROXY=http://jane:p%40ss@$P:3129"),
    (SERVER, "", "HTTPS_PROXY=socks5://jane:p%40ss@$P:1081"),
    (SERVER, "", "HTTPS_PROXY=ftp://$P:3128"),
    (SERVER, "", "HTTPS_PROXY=http://a%zz"),
    ("http://10.77.0.1:8080", "", "HTTP_PROXY=http://$P:3128"),
    ("http://10.77.0.1:8080", "", "HTTPS_PROXY=http://$P:3128"),
    // What is wrong with a proxy.
    (SERVER, "", "HTTPS_PROXY=http://$P:3129"),
    (SERVER, "", "HTTPS_PROXY=http://jane:wrong@$P:3129"),
    (SERVER, "", "HTTPS_PROXY=http://$P:3130"),
    (SERVER, "", "HTTPS_PROXY=http://$P:9"),
    (SERVER, "", "HTTPS_PROXY=socks5://$P:9"),
    (SERVER, "", "HTTPS_PROXY=socks5://jane:wrong@$P:1081"),
    (SERVER, "", "HTTPS_PROXY=https://$P:3128"),
    // Loopback is never proxied by the environment.
    ("https://127.0.0.1:6443", "", "HTTPS_PROXY=http://$P:3128"),
    (
        "https://127.0.0.1:6443",
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=127.0.0.1",
    ),
    ("https://localhost:6443", "", "HTTPS_PROXY=http://$P:3128"),
    ("https://[::1]:6443", "", "HTTPS_PROXY=http://$P:3128"),
    // NO_PROXY, by address.
    (SERVER, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.77.0.1"),
    (SERVER, "", "HTTPS_PROXY=http://$P:3128 no_proxy=10.77.0.1"),
    (SERVER, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.0.0.0/8"),
    (
        SERVER,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.77.3.4/16",
    ),
    (
        SERVER,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.78.0.0/16",
    ),
    (
        SERVER,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=a.example,10.77.0.1",
    ),
    (
        SERVER,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.77.0.1:6443",
    ),
    (
        SERVER,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.77.0.1:443",
    ),
    (
        SERVER,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.77.0.0/16:6443",
    ),
    (SERVER, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.77"),
    (
        SERVER,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=api.kreg.test",
    ),
    (SERVER, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=*"),
    (SIX, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=fd77::1"),
    (
        SIX,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=[fd77::1]:6443",
    ),
    (SIX, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=[fd77::1]"),
    (SIX, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=fd00::/8"),
    // NO_PROXY, by name.
    (
        NAMED,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=api.kreg.test",
    ),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=kreg.test"),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=.kreg.test"),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=*.kreg.test"),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=KREG.Test"),
    (
        NAMED,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=kreg.test:6443",
    ),
    (
        NAMED,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=kreg.test:443",
    ),
    (
        "https://api.kreg.test",
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=kreg.test:443",
    ),
    (
        NAMED,
        "",
        "HTTPS_PROXY=http://$P:3128 NO_PROXY=.api.kreg.test",
    ),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=reg.test"),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=api.*"),
    (NAMED, "", "HTTPS_PROXY=http://$P:3128 NO_PROXY=10.0.0.0/8"),
    // The kubeconfig's own proxy.
    (SERVER, HTTP, ""),
    (SERVER, "https://proxy.kreg.test:3131", ""),
    (SERVER, "socks5://$P:1080", ""),
    (SERVER, "socks5://jane:p%40ss@$P:1081", ""),
    (SERVER, HTTP, "NO_PROXY=*"),
    (SERVER, HTTP, "HTTPS_PROXY=socks5://$P:1080"),
    ("https://127.0.0.1:6443", HTTP, ""),
    (
        "https://localhost:6443",
        "socks5://$P:1080",
        "NO_PROXY=localhost",
    ),
    (SERVER, "$P:3128", ""),
    (SERVER, "proxy.kreg.test:3128", ""),
    (SERVER, "socks5h://$P:1080", ""),
    (SERVER, "ftp://$P:3128", ""),
];

/// Where kreg answers otherwise, and why.
fn differs(case: &Case) -> Option<&'static str> {
    match *case {
        (_, _, "HTTPS_PROXY=ftp://$P:3128") => {
            Some("kubectl takes it for HTTP, except in a stream")
        }
        ("http://10.77.0.1:8080", _, "HTTP_PROXY=http://$P:3128") => {
            Some("kreg asks for a tunnel always, which this proxy gives to 443 and 6443 only")
        }
        _ => None,
    }
}

pub(crate) fn answers(world: &World) -> Vec<Row> {
    CASES.iter().map(|case| row(world, case)).collect()
}

fn row(world: &World, case: &Case) -> Row {
    let (server, proxy, environment) = case;
    let with_address = |text: &str| text.replace("$P", ADDRESS);
    let line = match *proxy {
        "" => String::new(),
        proxy => format!(", proxy-url: {:?}", with_address(proxy)),
    };
    let file = format!(
        "clusters: [{{name: c, cluster: {{server: {server:?}, certificate-authority: ca.crt{line}}}}}]\n\
         users: [{{name: u, user: {{token: token}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
    );
    world.write("kubeconfig", &file);
    let filled = with_address(environment);
    let variables = filled.split(' ').filter_map(|pair| pair.split_once('='));
    let mut input = Input {
        environment: variables.collect(),
        ..Input::default()
    };
    input.environment.push(("KUBECONFIG", "$DIR/kubeconfig"));
    let judged = |run: &dyn Fn() -> std::process::Output, streams: &[&str]| {
        world.api.take();
        let output = run();
        let seen = world.api.take();
        match way(&seen, streams) {
            Some(way) => Answer::Reached(way),
            None => Answer::failed(&output, world.folder()),
        }
    };
    let kubectl = judged(
        &|| world.kubectl(&["get", "--raw", "/version"], &input),
        &["/version"],
    );
    let exec = ["exec", "p", "--", "true"];
    let stream = judged(&|| world.kubectl(&exec, &input), &["/exec"]);
    let kreg = judged(&|| world.kreg(&["status"], &input), &["/version"]);
    let streams = judged(&|| world.streams(&input), &["/exec", "/portforward"]);
    // A stream fails as the request does; its words are those of the test's own program.
    let short = |stream: Answer| match stream {
        Answer::Failed(_) => Answer::Failed(String::new()),
        reached => reached,
    };
    let code = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!("`{text}`")
        }
    };
    Row {
        input: [*server, *proxy, *environment].map(code).into(),
        kubectl: vec![kubectl, short(stream)],
        kreg: vec![kreg, short(streams)],
        differs: differs(case),
    }
}

/// The way of these requests, all of which must be there; of two ways, both.
fn way(seen: &[Seen], paths: &[&str]) -> Option<String> {
    let mut ways = BTreeSet::new();
    for path in paths {
        let uids = seen.iter().filter(|one| one.path.ends_with(path));
        let uids: Vec<_> = uids.map(|one| World::way(one.uid)).collect();
        ways.insert(uids.first()?.clone());
        ways.extend(uids);
    }
    Some(ways.into_iter().collect::<Vec<_>>().join(" and "))
}
