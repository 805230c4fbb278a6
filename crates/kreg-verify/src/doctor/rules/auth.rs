//! Users, passwords and the registry's own pull secret.

use crate::doctor::{Action, Diagnosis, Fix, Login, Observations, Signature, Upload};

/// The file itself.
pub(super) fn htpasswd(seen: &Observations) -> Vec<Diagnosis> {
    let registry = &seen.registry;
    let object = format!("Secret {}/{}", registry.namespace, registry.htpasswd_secret);
    let line = |finding: &crate::doctor::HtpasswdFinding| match &finding.user {
        Some(user) => format!(
            "htpasswd line {}, user {user}: {}",
            finding.line, finding.text
        ),
        None => format!("htpasswd line {}: {}", finding.line, finding.text),
    };
    let mut found = Vec::new();
    let fatal: Vec<_> = seen.auth.findings.iter().filter(|one| one.fatal).collect();
    if !fatal.is_empty() {
        let empty = seen.answers.empty && seen.answers.user == Some(400);
        found.push(
            Diagnosis::new(
                Signature::HtpasswdInvalid,
                "the registry cannot parse its htpasswd file: it answers an empty 400, or goes on with the users of before",
            )
            .seen_all(fatal.into_iter().map(line))
            .seen_all(empty.then_some("GET /v2/ was answered by an empty 400"))
            .about(&object)
            .fix(registry.kubectl(&format!("get secret {} -o jsonpath='{{.data.htpasswd}}' | base64 -d", registry.htpasswd_secret)))
            .fix("take that line out, or let kreg write the file anew:")
            .fix(registry.kubectl(&format!("delete secret {}", registry.htpasswd_secret)))
            .fix(Action::Apply(None)),
        );
    }
    for finding in seen.auth.findings.iter().filter(|one| one.not_bcrypt) {
        let user = finding.user.clone().unwrap_or_default();
        found.push(
            Diagnosis::new(
                Signature::HtpasswdNotBcrypt,
                format!("user {user} cannot log in: the registry checks bcrypt only, and the entry is of another kind"),
            )
            .seen(line(finding))
            .about(&object)
            .fix(Action::SetPassword(user.clone())),
        );
    }
    found
}

/// The registry's own pull secret against image names and htpasswd.
pub(super) fn pull_secret(seen: &Observations) -> Vec<Diagnosis> {
    let registry = &seen.registry;
    let Some(secret) = &seen.auth.pull_secret else {
        return Vec::new();
    };
    let object = format!("Secret {}/{}", registry.namespace, registry.pull_secret);
    let about = |one: Diagnosis| vec![one.about(&object)];
    let remake = registry.kubectl(&format!("delete secret {}", registry.pull_secret));
    let broken = match (&secret.wrong_type, &secret.broken, secret.exists) {
        (_, _, false) => Some("it is not there".to_owned()),
        (Some(kind), _, _) => Some(format!(
            "its type is {kind}, and the kubelet wants kubernetes.io/dockerconfigjson"
        )),
        (_, Some(why), _) => Some(why.clone()),
        _ => None,
    };
    if let Some(why) = broken {
        let one = Diagnosis::new(
            Signature::PullSecretBroken,
            format!("the pull secret {} cannot be used", registry.pull_secret),
        )
        .seen(why);
        let one = match secret.exists {
            true => one.fix(remake),
            false => one,
        };
        return about(one.fix(Action::Apply(None)));
    }
    if !secret.matches {
        return about(
            Diagnosis::new(
                Signature::PullSecretWrongHost,
                format!(
                    "the pull secret is not for {}: the kubelet does not use it for images from there",
                    registry.host
                ),
            )
            .seen(format!("its entries are for {}", listed(&secret.hosts)))
            .seen("the port must be written in both or in neither, and the names must be equal")
            .fix(remake)
            .fix(Action::Apply(None)),
        );
    }
    let user = secret.user.clone().unwrap_or_default();
    match secret.login {
        Some(Login::UnknownUser) => about(
            Diagnosis::new(
                Signature::PullUserMissing,
                format!("the pull secret's user {user} is not in the registry's htpasswd file"),
            )
            .seen(format!("{object} logs in as {user}; the htpasswd file has no line of that user"))
            .fix(Action::AddUser(user.clone())),
        ),
        Some(Login::WrongPassword) => about(
            Diagnosis::new(
                Signature::PasswordChanged,
                format!("the password of {user} is another one in the pull secret than in the htpasswd file"),
            )
            .seen(format!("{object} holds a password that the htpasswd entry of {user} refuses: one of them was changed alone"))
            .fix(Action::SetPassword(user.clone())),
        ),
        _ => Vec::new(),
    }
}

/// What the Secret says is fine, and the registry says otherwise.
pub(super) fn not_read(seen: &Observations) -> Vec<Diagnosis> {
    let good = seen
        .auth
        .pull_secret
        .as_ref()
        .is_some_and(|secret| secret.login == Some(Login::Accepted));
    let status = match (seen.answers.user, &seen.answers.upload) {
        (Some(status @ (400 | 401)), _) => status,
        (_, Some(Upload::Refused { status: 401, .. })) => 401,
        _ => return Vec::new(),
    };
    let mounted = seen
        .workload
        .as_ref()
        .is_none_or(|one| one.missing.is_empty());
    if !good || !mounted || seen.auth.findings.iter().any(|one| one.fatal) {
        return Vec::new();
    }
    let registry = &seen.registry;
    vec![
        Diagnosis::new(
            Signature::HtpasswdNotRead,
            "the registry has not taken up the htpasswd file that the cluster holds",
        )
        .seen(format!(
            "the file lets the pull secret's user in; the registry answers {status}{}",
            if seen.answers.empty {
                " without a word"
            } else {
                ""
            }
        ))
        .about(format!(
            "Secret {}/{}",
            registry.namespace, registry.htpasswd_secret
        ))
        .fix("wait: the kubelet brings a changed Secret to the Pod within about 90 s")
        .fix(Fix::to(
            "if it lasts (a subPath mount never changes)",
            registry.kubectl("rollout restart deployment"),
        )),
    ]
}

/// `a, b`, or `nothing`.
pub(super) fn listed(words: &[String]) -> String {
    match words.is_empty() {
        true => "nothing".to_owned(),
        false => words.join(", "),
    }
}
