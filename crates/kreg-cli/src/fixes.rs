//! What kreg-verify finds, in this program's words: the steps of a diagnosis, and what repairs a failed check.

use kreg::Unseen;
use kreg_k8s::{Place, Profile};
use kreg_verify::doctor::{Action, Change, Diagnosis, Fix, TakeOver};
use kreg_verify::{Lack, Remedy, Report, VerifyError};

use crate::error::Error;

/// A diagnosis with its steps as commands. `options`: what a command on this registry needs, see [`options`].
pub(crate) fn commanded(found: Diagnosis, options: &str) -> Diagnosis<String> {
    found.map_fix(&|fix| step(&fix, options))
}

/// Options that a command on this registry needs, such as ` --namespace images`: empty, or beginning
/// with a blank.
pub(crate) fn options(place: &Place) -> String {
    let mut options = String::new();
    if place.profile() == Profile::Tutorial {
        options.push_str(" --profile tutorial");
    }
    let usual = Place::new(place.profile());
    if place.namespace() != usual.namespace() {
        options.push_str(&format!(" --namespace {}", place.namespace()));
    }
    if place.instance() != usual.instance() {
        options.push_str(&format!(" --name {}", place.instance()));
    }
    options
}

fn step(fix: &Fix, options: &str) -> String {
    match fix {
        Fix::Words(words) => words.clone(),
        Fix::Registry(action) => command(action, options),
        Fix::Kubectl { namespace, words } => match namespace {
            Some(namespace) => format!("kubectl -n {namespace} {words}"),
            None => format!("kubectl {words}"),
        },
        Fix::OnNode { node, step } => format!("on {node}: {step}"),
        Fix::For { purpose, step: inner } => format!("{purpose}: {}", step(inner, options)),
        Fix::Pull { meaning, remedy } => format!("{meaning}{}", remedy.map_or("", ending)),
        Fix::CompareConfiguration { node, runtime } => {
            let status = command(&Action::CompareNodes, options);
            match runtime.as_str() {
                "containerd" => format!(
                    "on {node}: containerd config dump | grep config_path   # it must lead to the directory that `{status}` names"
                ),
                _ => format!(
                    "on {node}: see with which configuration {runtime} was started, and whether that names the files of `{status}`"
                ),
            }
        }
        Fix::MakeRoom => {
            "make room on a node, take a taint away, or lower what the registry asks for; `kreg up` puts kreg's own figures back".to_owned()
        }
        other => format!("{other:?}"),
    }
}

fn command(action: &Action, options: &str) -> String {
    let kreg = |words: &str| format!("kreg {words}{options}");
    match action {
        Action::Apply(None) => kreg("up"),
        Action::Apply(Some(Change::Image)) => kreg("up --image IMAGE"),
        Action::Apply(Some(Change::StorageClass)) => kreg("up --storage class:NAME"),
        Action::Apply(Some(Change::NetworkPolicy)) => kreg("up --network-policy"),
        // What is there is named by the command itself, and not by what was looked for.
        Action::TakeOver(TakeOver::Named) => "kreg up --adopt".to_owned(),
        Action::TakeOver(TakeOver::Tutorial { claim: None }) => {
            "kreg up --profile tutorial --adopt".to_owned()
        }
        Action::TakeOver(TakeOver::Tutorial { claim: Some(name) }) => {
            format!("kreg up --profile tutorial --adopt --storage claim:{name}")
        }
        Action::ChooseName => "kreg up --name NAME".to_owned(),
        Action::CompareObjects => kreg("status"),
        Action::CompareNodes => kreg("nodes status"),
        Action::TrustNodes(None) => kreg("nodes trust"),
        Action::TrustNodes(Some(node)) => kreg(&format!("nodes trust --node {node}")),
        Action::VerifyCheck(check) => kreg(&format!("verify --only {check}")),
        Action::VerifyNode(node) => kreg(&format!("verify --node {node}")),
        Action::RenewLeaf => kreg("cert renew"),
        Action::LintCertificates => kreg("cert lint"),
        Action::AddUser(user) => kreg(&format!("user add {user}")),
        Action::SetPassword(user) => kreg(&format!("user passwd {user}")),
        Action::ApplyPullSecret { namespace, account } => {
            let apply = kreg(&format!("secret apply --namespaces {namespace}"));
            let account = account.as_ref();
            let account = account.map(|account| format!(" --service-account {account}"));
            apply + &account.unwrap_or_default()
        }
        Action::CollectGarbage { dry_run } => {
            let gc = kreg("gc") + "   # removes what no image needs";
            if *dry_run {
                gc + "; --dry-run says how much that is"
            } else {
                gc
            }
        }
        other => format!("{other:?}"),
    }
}

/// The report with the command that repairs it behind each failed check's message.
pub(crate) fn worded(mut report: Report) -> Report {
    for check in &mut report.checks {
        name_repair(&mut check.message, &mut check.remedy);
    }
    report
}

/// Puts the command that repairs it behind what a failed check says.
pub(crate) fn name_repair(message: &mut String, remedy: &mut Option<Remedy>) {
    if let Some(remedy) = remedy.take() {
        message.push_str(ending(remedy));
    }
}

/// How a sentence ends that says what is wrong.
fn ending(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Apply => ": run `kreg up`",
        Remedy::ApplyOrRestart => "; run `kreg up`, or restart its Pods",
        Remedy::ApplyPullSecret => ": run `kreg secret apply`",
        Remedy::IssueLeaf => "; run `kreg cert renew`",
        Remedy::RenewCa => ": run `kreg cert renew --ca`",
        Remedy::RenewLeaf => ": run `kreg cert renew`",
        Remedy::Trust => "; run `kreg nodes trust`",
        Remedy::TrustAndCompare => ": run `kreg nodes trust`, and see `kreg nodes status`",
        _ => "; see `kreg doctor`",
    }
}

/// What could not be looked at, with the flag or the command that changes that.
pub(crate) fn unseen(one: Unseen) -> String {
    match one {
        Unseen::Changes(error) => format!("what was changed by hand: {}", line(*error)),
        Unseen::Answers(error) => format!("the registry's answers: {}", line(*error)),
        Unseen::NodeLeftOut(node) => {
            format!("node {node}: nodes.skip of the configuration leaves it out")
        }
        Unseen::NotProved => "whether nodes can pull: --no-proof leaves that out".to_owned(),
        Unseen::Rights(_) => format!("{one}; `kreg export rbac --for doctor` prints what it needs"),
        other => other.to_string(),
    }
}

fn line(error: kreg::Error) -> String {
    Error::from(error).line()
}

/// By which option a check gets what it lacks.
pub(crate) fn lacking(error: &VerifyError) -> Option<&'static str> {
    match error {
        VerifyError::NothingToCheck { why, .. } => match why {
            Lack::Users => Some("give them by `kreg verify --users`"),
            Lack::NodeFiles => Some("they are read by `kreg verify --node-files`"),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kreg_verify::doctor::Signature;
    use kreg_verify::{CheckReport, Outcome, PullFailure};

    use super::*;

    #[test]
    fn every_action_is_a_command_on_this_registry() {
        let named = |text: &str| text.to_owned();
        let up = |change| Action::Apply(change);
        let secret = |account: Option<&str>| Action::ApplyPullSecret {
            namespace: named("team"),
            account: account.map(str::to_owned),
        };
        for (action, words) in [
            (up(None), "kreg up -n x"),
            (up(Some(Change::Image)), "kreg up --image IMAGE -n x"),
            (
                up(Some(Change::StorageClass)),
                "kreg up --storage class:NAME -n x",
            ),
            (
                up(Some(Change::NetworkPolicy)),
                "kreg up --network-policy -n x",
            ),
            (Action::TakeOver(TakeOver::Named), "kreg up --adopt"),
            (
                Action::TakeOver(TakeOver::Tutorial { claim: None }),
                "kreg up --profile tutorial --adopt",
            ),
            (
                Action::TakeOver(TakeOver::Tutorial {
                    claim: Some(named("docker-repo-pvc")),
                }),
                "kreg up --profile tutorial --adopt --storage claim:docker-repo-pvc",
            ),
            (Action::ChooseName, "kreg up --name NAME"),
            (Action::CompareObjects, "kreg status -n x"),
            (Action::CompareNodes, "kreg nodes status -n x"),
            (Action::TrustNodes(None), "kreg nodes trust -n x"),
            (
                Action::TrustNodes(Some(named("w1"))),
                "kreg nodes trust --node w1 -n x",
            ),
            (
                Action::VerifyCheck(named("tls")),
                "kreg verify --only tls -n x",
            ),
            (
                Action::VerifyNode(named("w1")),
                "kreg verify --node w1 -n x",
            ),
            (Action::RenewLeaf, "kreg cert renew -n x"),
            (Action::LintCertificates, "kreg cert lint -n x"),
            (Action::AddUser(named("ann")), "kreg user add ann -n x"),
            (
                Action::SetPassword(named("ann")),
                "kreg user passwd ann -n x",
            ),
            (secret(None), "kreg secret apply --namespaces team -n x"),
            (
                secret(Some("builder")),
                "kreg secret apply --namespaces team -n x --service-account builder",
            ),
            (
                Action::CollectGarbage { dry_run: true },
                "kreg gc -n x   # removes what no image needs; --dry-run says how much that is",
            ),
            (
                Action::CollectGarbage { dry_run: false },
                "kreg gc -n x   # removes what no image needs",
            ),
        ] {
            assert_eq!(step(&action.into(), " -n x"), words);
        }
    }

    #[test]
    fn every_other_step_is_a_line_to_type_or_to_read() {
        let compare = |runtime: &str| Fix::CompareConfiguration {
            node: "w1".to_owned(),
            runtime: runtime.to_owned(),
        };
        let pull = |kind: PullFailure| Fix::Pull {
            meaning: kind.meaning().to_owned(),
            remedy: kind.remedy(),
        };
        let delete = Fix::Kubectl {
            namespace: Some("default".to_owned()),
            words: "delete pod x".to_owned(),
        };
        for (fix, words) in [
            (Fix::from("push it"), "push it"),
            (Fix::kubectl("describe node w1"), "kubectl describe node w1"),
            (
                Fix::to("then make the Pod again", delete),
                "then make the Pod again: kubectl -n default delete pod x",
            ),
            (
                Fix::on("w1", "systemctl restart crio"),
                "on w1: systemctl restart crio",
            ),
            (
                Fix::to(
                    "then prove the node again",
                    Action::VerifyNode("w1".to_owned()),
                ),
                "then prove the node again: kreg verify --node w1",
            ),
            (
                compare("containerd"),
                "on w1: containerd config dump | grep config_path   # it must lead to the directory that `kreg nodes status` names",
            ),
            (
                compare("crio"),
                "on w1: see with which configuration crio was started, and whether that names the files of `kreg nodes status`",
            ),
            (
                pull(PullFailure::Certificate),
                "this node does not trust the registry's CA: run `kreg nodes trust`, and see `kreg nodes status`",
            ),
            (
                pull(PullFailure::HttpForHttps),
                "the registry has no certificate: run `kreg up`",
            ),
            (
                pull(PullFailure::Unauthorized),
                "the pull secret is missing, of another host, or has another password: run `kreg secret apply`",
            ),
            (
                pull(PullFailure::NoSuchHost),
                "this node does not know the registry's name: run `kreg nodes trust`, and see `kreg nodes status`",
            ),
            (
                pull(PullFailure::Other),
                "look at the container runtime's log on this node",
            ),
            (
                Fix::MakeRoom,
                "make room on a node, take a taint away, or lower what the registry asks for; `kreg up` puts kreg's own figures back",
            ),
        ] {
            assert_eq!(step(&fix, ""), words);
        }
    }

    #[test]
    fn a_finding_is_printed_and_serialised_with_its_commands() {
        let found = Diagnosis::new(Signature::StaleAddress, "wrong")
            .seen("hosts.toml")
            .fix("first\nthen")
            .fix(Action::TrustNodes(Some("w1".to_owned())))
            .on("w1");
        let finding = commanded(found, "");
        let text = finding.to_string();
        assert!(
            text.ends_with(
                "\n    fix:  first\n          then\n    fix:  kreg nodes trust --node w1"
            ),
            "{text}"
        );
        let json = serde_json::to_string(&finding).unwrap();
        assert_eq!(
            json,
            r#"{"id":"stale-address","severity":"error","cause":"wrong","evidence":["hosts.toml"],"fix":["first\nthen","kreg nodes trust --node w1"],"node":"w1"}"#
        );
    }

    #[test]
    fn a_failed_check_ends_with_the_command_that_repairs_it() {
        let message = |words: &str, remedy: Remedy| {
            let outcome = Outcome::fail(words).repaired_by(remedy);
            let mut report = Report::new(String::new(), String::new(), String::new());
            let check = CheckReport::new("node-ca", "", None, outcome, 0.0);
            report.checks.push(check);
            let report = worded(report);
            assert_eq!(report.checks[0].remedy, None, "no part of the document");
            report.checks[0].message.clone()
        };
        for (remedy, words) in [
            (Remedy::Apply, "x: run `kreg up`"),
            (
                Remedy::ApplyOrRestart,
                "x; run `kreg up`, or restart its Pods",
            ),
            (Remedy::ApplyPullSecret, "x: run `kreg secret apply`"),
            (Remedy::IssueLeaf, "x; run `kreg cert renew`"),
            (Remedy::RenewCa, "x: run `kreg cert renew --ca`"),
            (Remedy::RenewLeaf, "x: run `kreg cert renew`"),
            (Remedy::Trust, "x; run `kreg nodes trust`"),
            (
                Remedy::TrustAndCompare,
                "x: run `kreg nodes trust`, and see `kreg nodes status`",
            ),
        ] {
            assert_eq!(message("x", remedy), words);
        }
    }

    #[test]
    fn what_was_not_looked_at_is_said_with_the_flag_for_it() {
        let left_out = Unseen::NodeLeftOut("w1".to_owned());
        assert!(unseen(left_out).starts_with("node w1: nodes.skip"));
        assert!(unseen(Unseen::NotProved).contains("--no-proof"));
        let rights = unseen(Unseen::Rights(Vec::new()));
        assert!(rights.ends_with("; `kreg export rbac --for doctor` prints what it needs"));
        let missing = kreg::NotUp::Certificate("docker-registry".to_owned());
        let answers = Unseen::Answers(Box::new(missing.into()));
        assert_eq!(
            unseen(answers),
            "the registry's answers: the registry docker-registry has no certificate yet"
        );
        assert_eq!(unseen(Unseen::Denied("no".to_owned())), "no");
    }
}
