//! What protects the agents on the nodes, in words.

use kreg_nodes::daemonset::NAMESPACE;

use kreg::agents::Guard;

/// Why the agents are not protected, and what to do; `None` if they are.
pub(super) fn complaint(guard: &Guard) -> Option<String> {
    let (why, next) = match guard {
        Guard::InPlace => return None,
        Guard::Missing(object) => (format!("{object} is gone"), "`kreg up` makes it again"),
        Guard::Altered(object) => (
            format!("{object} is not as kreg makes it"),
            "`kreg up` puts it back",
        ),
        Guard::NotServed(version) => (
            format!("Kubernetes {version} has no ValidatingAdmissionPolicy (1.30 has)"),
            "give nobody rights in kreg-nodes, nor `edit` or `admin` for the whole cluster",
        ),
        Guard::NotOurs => (
            "namespace kreg-nodes was there before kreg".to_owned(),
            "check yourself who has rights there",
        ),
        _ => (
            "this user cannot check the protection".to_owned(),
            "`kreg export rbac` has the rights for that",
        ),
    };
    Some(format!(
        "{why}: anyone who can change or exec into Pods in namespace {NAMESPACE} is root on the nodes; {next}"
    ))
}
