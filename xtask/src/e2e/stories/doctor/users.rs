//! Who can log in, and what the pull secret says.

use serde_json::json;

use super::breaks::{Break, by_up_whole, give_back, keep, merge, nothing, patch, ready, restarted};
use crate::e2e::call::Call;
use crate::e2e::world::World;
use crate::failure::Result;

const HTPASSWD: &str = "docker-registry-htpasswd";
const PULL: &str = "docker-registry-pull";

/// bcrypt of `U*U`, from crypt_blowfish's own tests.
const OTHER_HASH: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

pub(super) const BREAKS: &[Break] = &[
    Break {
        id: "htpasswd-invalid",
        what: "a line without a colon, for which the registry refuses the whole file",
        breaks: |world| {
            keep(world, "secret", HTPASSWD)?;
            keep(world, "secret", PULL)?;
            htpasswd(world, "mypasswd\n")
        },
        fixes: nothing,
    },
    Break {
        id: "htpasswd-not-bcrypt",
        what: "an entry of Apache's own kind (apr1)",
        breaks: |world| {
            let hash = Call::new("openssl")
                .args(["passwd", "-apr1", "mypasswd"])
                .read()?;
            htpasswd(world, &format!("kreg:{hash}\n"))
        },
        fixes: nothing,
    },
    Break {
        id: "password-changed",
        what: "a password that was changed in the htpasswd file alone",
        breaks: |world| htpasswd(world, &format!("kreg:{OTHER_HASH}\n")),
        fixes: nothing,
    },
    Break {
        id: "pull-user-missing",
        what: "an htpasswd file without the pull secret's user",
        breaks: |world| htpasswd(world, &format!("somebody:{OTHER_HASH}\n")),
        fixes: |world| {
            give_back(world, "secret", HTPASSWD)?;
            restarted(world)
        },
    },
    Break {
        id: "pull-secret-wrong-host",
        what: "a pull secret whose entry lacks the port",
        breaks: |world| {
            let entry = json!({ "username": "kreg", "password": "mypasswd" });
            pull_secret(world, &json!({ "auths": { "docker-registry": entry } }))
        },
        fixes: nothing,
    },
    Break {
        id: "pull-secret-broken",
        what: "a pull secret that holds no entries",
        breaks: |world| pull_secret(world, &json!({ "auths": "none" })),
        fixes: |world| give_back(world, "secret", PULL),
    },
    Break {
        id: "htpasswd-not-read",
        what: "a subPath mount, which never sees a new password",
        breaks: |world| {
            let mounts = json!([
                { "mountPath": "/auth", "$patch": "delete" },
                { "name": "htpasswd", "mountPath": "/auth/htpasswd", "subPath": "htpasswd", "readOnly": true },
            ]);
            let containers = json!([{ "name": "registry", "volumeMounts": mounts }]);
            let change =
                json!({ "spec": { "template": { "spec": { "containers": containers } } } });
            patch(world, "deployment/docker-registry", "strategic", &change)?;
            ready(world)?;
            let entry = json!({ "username": "kreg", "password": "U*U" });
            pull_secret(
                world,
                &json!({ "auths": { "docker-registry:5000": entry } }),
            )?;
            htpasswd(world, &format!("kreg:{OTHER_HASH}\n"))
        },
        fixes: |world| {
            give_back(world, "secret", HTPASSWD)?;
            give_back(world, "secret", PULL)?;
            by_up_whole(world)
        },
    },
];

fn htpasswd(world: &World, text: &str) -> Result<()> {
    let change = json!({ "stringData": { "htpasswd": text } });
    merge(world, &format!("secret/{HTPASSWD}"), &change)
}

fn pull_secret(world: &World, document: &serde_json::Value) -> Result<()> {
    let change = json!({ "stringData": { ".dockerconfigjson": document.to_string() } });
    merge(world, &format!("secret/{PULL}"), &change)
}
