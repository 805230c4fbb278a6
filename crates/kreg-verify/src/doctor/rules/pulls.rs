//! Pods that fail to pull from the registry, each by the kubelet's and the runtime's words.

use super::auth::listed;
use crate::doctor::{Action, Diagnosis, Fix, Login, NodeSeen, Observations, PullSeen, Signature};
use crate::pull_failure::PullFailure;

pub(super) fn pulls(seen: &Observations) -> Vec<Diagnosis> {
    seen.pulls
        .iter()
        .map(|pull| {
            let one = diagnosed(seen, pull).about(&pull.object);
            match &pull.node {
                Some(node) => one.on(node),
                None => one,
            }
        })
        .collect()
}

fn diagnosed(seen: &Observations, pull: &PullSeen) -> Diagnosis {
    let (registry, image, message) = (&seen.registry, &pull.image, &pull.message);
    let kind = PullFailure::by_reason(&pull.reason, message);
    let told = (!message.is_empty()).then(|| format!("{}: {message}", pull.reason));
    let is = |id, cause: String| Diagnosis::new(id, cause).seen_all(told.clone());
    let mut nodes = seen.nodes.iter();
    let node_seen = nodes.find(|node| Some(&node.name) == pull.node.as_ref());
    if message.contains("exec format error") || message.contains("no match for platform") {
        let arch = node_seen.map_or("this node's", |node| node.arch.as_str());
        return is(
            Signature::WrongArchitecture,
            format!("image {image} is not made for {arch} processors"),
        )
        .fix(format!("build and push it for them: docker buildx build --platform linux/{arch} --tag {image} --push ."));
    }
    if !image.starts_with(&format!("{}/", registry.host)) {
        let (_, rest) = image.split_once('/').unwrap_or(("", image));
        return is(
            Signature::ImageWithoutPort,
            format!(
                "image {image} has no port, so the runtime takes {} for a user of Docker Hub",
                registry.name()
            ),
        )
        .fix(format!("write it as {}/{rest}", registry.host));
    }
    // Where the address that hosts.toml leads to has no such image, containerd goes on to the name
    // itself, and what it says in the end is about that.
    let refused_first = matches!(kind, PullFailure::Certificate | PullFailure::Unauthorized);
    let by_registry = pull.in_registry == Some(false) && !refused_first;
    if kind == PullFailure::NotFound || by_registry {
        return is(
            Signature::ImageNotFound,
            format!("the registry has no image {image}"),
        )
        .seen_all(by_registry.then_some("asked for it by kreg, the registry answers 404"))
        .fix("push it, or fix the tag in the Pod")
        .fix(format!(
            "what there is: skopeo list-tags docker://{}",
            image
                .rsplit_once(':')
                .map_or(image.as_str(), |(name, _)| name)
        ));
    }
    if kind == PullFailure::Policy {
        let node = pull.node.as_deref().unwrap_or("the Pod's node");
        return is(
            Signature::PullFailed,
            format!("the policy of {node} refuses image {image}, or wants it signed"),
        )
        .fix(Fix::on(node, format!(
            "allow {} in policy.json, which is in /etc/containers unless CRI-O is told otherwise (`signature_policy` in /etc/crio); see containers-policy.json(5)",
            registry.host
        )));
    }
    if kind == PullFailure::Unauthorized {
        return refused(seen, pull, is);
    }
    if kind.is_distrust() {
        return is(
            Signature::PullNotTrusted,
            format!("the runtime does not trust the registry when it pulls {image}"),
        )
        .fix(Action::CompareNodes)
        .fix(format!(
            "if the files are right, look at what the runtime itself says: {}; of containerd also: crictl info | grep -A2 registry",
            match node_seen.and_then(NodeSeen::unit) {
                Some(unit) => format!("journalctl -u {unit}"),
                None => "journalctl -u containerd -u crio -u docker".to_owned(),
            }
        ));
    }
    is(Signature::PullFailed, format!("a Pod cannot pull {image}")).fix(Fix::Kubectl {
        namespace: Some(pull.namespace.clone()),
        words: format!(
            "describe {}",
            pull.object
                .replacen(&format!(" {}/", pull.namespace), " ", 1)
                .to_lowercase()
        ),
    })
}

/// The registry wants a password and did not get a good one.
fn refused(
    seen: &Observations,
    pull: &PullSeen,
    is: impl Fn(Signature, String) -> Diagnosis,
) -> Diagnosis {
    let (registry, namespace) = (&seen.registry, &pull.namespace);
    let apply = |account: Option<&str>| Action::ApplyPullSecret {
        namespace: namespace.clone(),
        account: account.map(str::to_owned),
    };
    let again = Fix::to(
        "then make the Pod again",
        Fix::Kubectl {
            namespace: Some(namespace.clone()),
            words: format!(
                "delete pod {}",
                pull.object.rsplit('/').next().unwrap_or_default()
            ),
        },
    );
    let account = &pull.account;
    let good = |secret: &&crate::doctor::PullSecretSeen| secret.exists && secret.matches;
    if pull.secrets.is_empty() {
        return is(
            Signature::AccountWithoutSecret,
            format!("the Pod names no pull secret, and its service account {namespace}/{account} has none"),
        )
        .fix(apply(Some(account.as_str()).filter(|name| *name != "default")))
        .fix(again);
    }
    let one = pull.secrets.iter().find(good).unwrap_or(&pull.secrets[0]);
    let name = &one.name;
    if !one.exists {
        return is(
            Signature::SecretNotInNamespace,
            format!(
                "the Pod names pull secret {name}, and there is none in its namespace {namespace}"
            ),
        )
        .seen("pull secrets are looked for in the Pod's own namespace only")
        .fix(apply(None))
        .fix(format!(
            "kreg's is called {}: name that one in the Pod, or none",
            registry.pull_secret
        ))
        .fix(again);
    }
    if let Some(kind) = &one.wrong_type {
        return is(
            Signature::SecretWrongType,
            format!(
                "pull secret {namespace}/{name} is of type {kind}, which the kubelet does not take"
            ),
        )
        .seen("it wants kubernetes.io/dockerconfigjson")
        .fix(apply(None))
        .fix(again);
    }
    if !one.matches {
        return is(
            Signature::SecretWrongHost,
            format!(
                "pull secret {namespace}/{name} is not for {}: the kubelet does not use it",
                registry.host
            ),
        )
        .seen(format!("its entries are for {}", listed(&one.hosts)))
        .fix(apply(None))
        .fix(format!(
            "kreg's is called {}: name that one in the Pod, or none",
            registry.pull_secret
        ))
        .fix(again);
    }
    let user = one.user.clone().unwrap_or_default();
    match one.login {
        Some(Login::Accepted) => is(
            Signature::PullFailed,
            format!("the registry refused user {user} of pull secret {namespace}/{name}, and would let it in now"),
        )
        .warning()
        .fix("wait: the kubelet tries again within five minutes")
        .fix(again),
        _ => is(
            Signature::SecretStale,
            format!("pull secret {namespace}/{name} holds a user or password that the registry refuses"),
        )
        .seen(match one.login {
            Some(Login::UnknownUser) => format!("there is no user {user}"),
            _ => format!("the password of {user} is another one"),
        })
        .fix(apply(None))
        .fix(again),
    }
}
