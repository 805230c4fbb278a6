//! Certificates that clients refuse, made by openssl with the registry's own CA.

use serde_json::json;

use super::breaks::{Break, NAMESPACE, give_back, keep, merge, nothing, restart, restarted};
use crate::e2e::call::Call;
use crate::e2e::world::World;
use crate::failure::Result;

const SECRET: &str = "docker-registry-tls";

/// Each is served by a Pod that was started with it.
pub(super) const BREAKS: &[Break] = &[
    Break {
        id: "certificate-not-served",
        what: "a new certificate, and a registry that was not restarted",
        breaks: |world| {
            keep(world, "secret", SECRET)?;
            issue(
                world,
                Leaf {
                    names: NAMES,
                    ..GOOD
                },
            )
        },
        fixes: nothing,
    },
    Break {
        id: "certificate-expired",
        what: "a leaf that ended yesterday",
        breaks: |world| {
            served(
                world,
                Leaf {
                    from: "-40 days",
                    to: "-1 day",
                    names: NAMES,
                    ..GOOD
                },
            )
        },
        fixes: nothing,
    },
    Break {
        id: "certificate-not-yet-valid",
        what: "a leaf of tomorrow, as of a CA whose clock is ahead",
        breaks: |world| {
            served(
                world,
                Leaf {
                    from: "1 day",
                    names: NAMES,
                    ..GOOD
                },
            )
        },
        fixes: nothing,
    },
    Break {
        id: "certificate-wrong-ca",
        what: "a leaf of another CA",
        breaks: |world| {
            served(
                world,
                Leaf {
                    own_ca: false,
                    names: NAMES,
                    ..GOOD
                },
            )
        },
        fixes: nothing,
    },
    Break {
        id: "certificate-cn-only",
        what: "a leaf with a common name only",
        breaks: |world| served(world, GOOD),
        fixes: nothing,
    },
    Break {
        id: "certificate-name-missing",
        what: "a leaf without the Service's address",
        breaks: |world| {
            served(
                world,
                Leaf {
                    names: "DNS:docker-registry,DNS:docker-registry.kreg-system.svc",
                    ..GOOD
                },
            )
        },
        fixes: nothing,
    },
    Break {
        id: "certificate-refused",
        what: "a leaf for clients, not for servers",
        breaks: |world| {
            served(
                world,
                Leaf {
                    purpose: "clientAuth",
                    names: NAMES,
                    ..GOOD
                },
            )
        },
        fixes: nothing,
    },
    Break {
        id: "certificate-ends-soon",
        what: "a leaf that ends in three days",
        breaks: |world| {
            served(
                world,
                Leaf {
                    from: "-80 days",
                    to: "3 days",
                    names: NAMES,
                    ..GOOD
                },
            )
        },
        fixes: nothing,
    },
    Break {
        id: "key-mismatch",
        what: "a private key of another certificate",
        breaks: |world| {
            other_key(world)?;
            restart(world)
        },
        fixes: |world| {
            give_back(world, "secret", SECRET)?;
            restarted(world)
        },
    },
];

struct Leaf {
    from: &'static str,
    to: &'static str,
    names: &'static str,
    /// Its extended key usage.
    purpose: &'static str,
    /// By the registry's CA, or by one that nobody knows.
    own_ca: bool,
}

const GOOD: Leaf = Leaf {
    from: "-1 hour",
    to: "90 days",
    names: "",
    purpose: "serverAuth",
    own_ca: true,
};

/// ADDRESS becomes the Service's.
const NAMES: &str = "DNS:docker-registry,DNS:docker-registry.kreg-system,DNS:docker-registry.kreg-system.svc,DNS:docker-registry.kreg-system.svc.cluster.local,IP:ADDRESS";

fn served(world: &World, leaf: Leaf) -> Result<()> {
    issue(world, leaf)?;
    restarted(world)
}

/// A fresh key and its certificate, put into the registry's Secret.
fn issue(world: &World, leaf: Leaf) -> Result<()> {
    let folder = world.file("leaf");
    std::fs::create_dir_all(&folder)
        .map_err(|why| crate::failure::Failure::new("make a directory", why))?;
    let secret = world.get(["secret", "docker-registry-ca", "--namespace", NAMESPACE])?;
    let text = |key: &str| secret["data"][key].as_str().unwrap_or_default().to_owned();
    let service = world.get(["service", "docker-registry", "--namespace", NAMESPACE])?;
    let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
    let san = match leaf.names {
        "" => String::new(),
        names => format!("subjectAltName={}\n", names.replace("ADDRESS", address)),
    };
    let key = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1";
    let authority = match leaf.own_ca {
        true => format!(
            "base64 -d > ca.crt <<< {}; base64 -d > ca.key <<< {}",
            text("ca.crt"),
            text("ca.key")
        ),
        false => format!(
            "{key} -out ca.key 2>/dev/null; openssl req -x509 -new -key ca.key -subj '/CN=stranger' -days 9 -out ca.crt"
        ),
    };
    let script = format!(
        "set -euo pipefail; rm -f *; {authority}\n\
         {key} -out leaf.key 2>/dev/null; openssl req -new -key leaf.key -subj /CN=docker-registry -out leaf.csr\n\
         touch index.txt; openssl rand -hex 16 > serial\n\
         cat > ca.cnf <<'END'\n[ca]\ndefault_ca=own\n[own]\nnew_certs_dir=.\ndatabase=index.txt\nserial=serial\n\
         default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n[leaf]\nbasicConstraints=critical,CA:FALSE\n\
         keyUsage=critical,digitalSignature\nextendedKeyUsage={purpose}\n{san}END\n\
         openssl ca -batch -notext -config ca.cnf -cert ca.crt -keyfile ca.key -extensions leaf -in leaf.csr -out leaf.crt \
         -startdate \"$(date -u -d '{from}' +%Y%m%d%H%M%SZ)\" -enddate \"$(date -u -d '{to}' +%Y%m%d%H%M%SZ)\" 2>&1\n\
         echo \"$(base64 -w0 leaf.crt) $(base64 -w0 leaf.key)\" > both",
        purpose = leaf.purpose,
        from = leaf.from,
        to = leaf.to,
    );
    bash(world, &script)?;
    let both = bash(world, "cat both")?;
    let (certificate, key) = both.split_once(' ').unwrap_or_default();
    let change = json!({ "data": { "tls.crt": certificate, "tls.key": key } });
    merge(world, &format!("secret/{SECRET}"), &change)
}

fn other_key(world: &World) -> Result<()> {
    issue(
        world,
        Leaf {
            names: NAMES,
            ..GOOD
        },
    )?;
    let script = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 2>/dev/null | base64 -w0";
    let key = bash(world, script)?;
    let change = json!({ "data": { "tls.key": key } });
    merge(world, &format!("secret/{SECRET}"), &change)
}

/// By standard input: what is secret stands in no command line.
fn bash(world: &World, script: &str) -> Result<String> {
    Call::new("bash")
        .args(["-s"])
        .cwd(world.file("leaf"))
        .input(script)
        .read()
}
