//! The admission policy that keeps others out of the agents' namespace, as objects of a cluster.
//!
//! The agents write `/etc` of their nodes as root, so an account that may run a program in one, or change one, is root on that
//! node. RBAC alone does not prevent it: the roles `edit` and `admin`, bound for the whole cluster, reach into every
//! namespace. The policy asks one question about the caller: may it `use` the policy itself, or `update` it? An
//! administrator may, and nobody else without being given that right. The policy names no user and no group.
//!
//! The control plane must go on working, and its parts do not hold that right. Each is known by a right that its job
//! needs and that neither `edit` nor `admin` holds; the right must be held for the whole cluster, so that nobody gets
//! it from a role of one namespace:
//!
//! | who | what it does there | the right |
//! |---|---|---|
//! | kubelet, scheduler, Pod garbage collector, node lifecycle | deletes Pods; a kubelet also makes mirror Pods | `patch pods/status` |
//! | DaemonSet controller | makes, adopts and deletes Pods | `update daemonsets/status` |
//! | namespace controller | deletes all that is in a namespace | `update namespaces/finalize` |
//! | who drains or removes nodes | evicts Pods | `patch nodes` |
//! | garbage collector | deletes and updates anything | `update` on every resource, so on the policy |
//!
//! Open to everybody who has the right: annotations of Pods (network plugins write them), and the ConfigMaps that a
//! controller puts into every namespace. No agent reads either.
//!
//! The policy does not help against an account that may act as one of these controllers. An account with `edit` or `admin`
//! for the whole cluster may create tokens of the service accounts of `kube-system`, or impersonate them.
//!
//! Sources: Kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go` and `controller_policy.go`;
//! `kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy`. Served as `v1` since Kubernetes 1.30.

use serde_json::{Value, json};

use super::NAMESPACE;

/// Name of the policy and of its binding: that of the namespace which they protect.
pub const GUARD: &str = NAMESPACE;

const API: &str = "admissionregistration.k8s.io/v1";

/// ConfigMaps that controllers put into every namespace.
/// Source: Kubernetes `pkg/controller/certificates/rootcacertpublisher`; OpenShift `service-ca-operator`.
const PUBLISHED: [&str; 2] = ["kube-root-ca.crt", "openshift-service-ca.crt"];

/// The policy and its binding, in the order in which to apply them. Every field that the API server would fill in is
/// there, so that what is in the cluster can be compared with it.
#[must_use]
pub fn guard() -> [Value; 2] {
    let metadata = json!({ "name": GUARD, "labels": { "app.kubernetes.io/managed-by": "kreg", "app.kubernetes.io/part-of": "kreg" } });
    let policy = json!({ "apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": {
        // Nobody gets in while the rules cannot be evaluated.
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": NAMESPACE } },
            "objectSelector": {},
            "resourceRules": rules(),
        },
        "variables": variables(),
        "validations": [{
            "expression": ALLOWED.join(" || "),
            "message": format!(
                "namespace {NAMESPACE} holds the node agents of kreg, which write to their nodes as root: this takes the \
                 right to `use` ValidatingAdmissionPolicy {GUARD}"
            ),
            "reason": "Forbidden",
        }],
    } });
    let binding = json!({ "apiVersion": API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata,
        "spec": { "policyName": GUARD, "validationActions": ["Deny"] } });
    [policy, binding]
}

/// What the policy decides about. Admission does not see reads; `status`, `binding` and `finalizers` need rights
/// that only the control plane has.
fn rules() -> Value {
    let rule = |groups: &[&str], operations: &[&str], resources: &[&str]| {
        json!({ "apiGroups": groups, "apiVersions": ["*"], "operations": operations, "resources": resources,
            "scope": "Namespaced" })
    };
    const ALL: &[&str] = &["CREATE", "UPDATE", "DELETE"];
    const WRITE: &[&str] = &["CREATE", "UPDATE"];
    json!([
        rule(
            &[""],
            &["CONNECT"],
            &["pods/exec", "pods/attach", "pods/portforward", "pods/proxy"],
        ),
        rule(&[""], ALL, &["pods", "configmaps"]),
        rule(
            &[""],
            WRITE,
            &["pods/ephemeralcontainers", "pods/eviction", "pods/resize"],
        ),
        // Without its service account no agent starts.
        rule(&[""], &["DELETE"], &["serviceaccounts"]),
        rule(&["apps"], ALL, &["daemonsets"]),
        // Their controllers make the Pods, so the workload itself is what has to be refused.
        rule(&[""], WRITE, &["replicationcontrollers"]),
        rule(
            &["apps"],
            WRITE,
            &["deployments", "replicasets", "statefulsets"],
        ),
        rule(&["batch"], WRITE, &["jobs", "cronjobs"]),
    ])
}

fn variables() -> Value {
    // Without a namespace the authorizer answers for the whole cluster.
    let may = |group: &str, resource: &str, more: &str, verb: &str| {
        format!(
            "authorizer.group('{group}').resource('{resource}'){more}.check('{verb}').allowed()"
        )
    };
    let of_policy = |verb| {
        let (group, resource) = (
            "admissionregistration.k8s.io",
            "validatingadmissionpolicies",
        );
        may(group, resource, &format!(".name('{GUARD}')"), verb)
    };
    let published = PUBLISHED.map(|name| format!("'{name}'")).join(", ");
    let same = ["labels", "ownerReferences", "finalizers"]
        .map(|key| format!("object.metadata.?{key} == oldObject.metadata.?{key}"))
        .join(" && ");
    let variable =
        |(name, expression): (&str, String)| json!({ "name": name, "expression": expression });
    let variables = [
        (
            "trusted",
            format!("{} || {}", of_policy("use"), of_policy("update")),
        ),
        (
            "runsPods",
            may("", "pods", ".subresource('status')", "patch"),
        ),
        (
            "runsDaemonSets",
            may("apps", "daemonsets", ".subresource('status')", "update"),
        ),
        (
            "emptiesNamespaces",
            may("", "namespaces", ".subresource('finalize')", "update"),
        ),
        ("drainsNodes", may("", "nodes", "", "patch")),
        (
            "asked",
            "request.operation + ' ' + request.resource.resource + \
             (has(request.subResource) && request.subResource != '' ? '/' + request.subResource : '')"
                .to_owned(),
        ),
        (
            "isMirror",
            "has(object.metadata.annotations) && 'kubernetes.io/config.mirror' in object.metadata.annotations"
                .to_owned(),
        ),
        (
            "onlyAnnotates",
            format!("object.spec == oldObject.spec && {same}"),
        ),
        (
            "isPublished",
            format!("object.metadata.name in [{published}]"),
        ),
    ];
    variables.map(variable).into_iter().collect()
}

/// One of these must hold.
const ALLOWED: [&str; 8] = [
    "variables.trusted",
    "(request.operation == 'DELETE' && variables.emptiesNamespaces)",
    "(variables.asked == 'CREATE pods' && (variables.runsDaemonSets || (variables.runsPods && variables.isMirror)))",
    "(variables.asked == 'UPDATE pods' && (variables.runsDaemonSets || variables.onlyAnnotates))",
    "(variables.asked == 'DELETE pods' && (variables.runsDaemonSets || variables.runsPods))",
    "(variables.asked == 'CREATE pods/eviction' && (variables.runsPods || variables.drainsNodes))",
    "(variables.asked == 'CREATE configmaps' && variables.isPublished)",
    "(variables.asked == 'UPDATE configmaps' && variables.isPublished)",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_the_agents_consist_of_is_protected_from_deletion() {
        let image = crate::daemonset::AgentImage::named("i");
        let agent = crate::daemonset::NodeAgent::new(crate::InstanceId::new("r").unwrap(), image);
        let rules = rules();
        let deleted: Vec<&str> = rules
            .as_array()
            .unwrap()
            .iter()
            .filter(|rule| {
                rule["operations"]
                    .as_array()
                    .unwrap()
                    .contains(&json!("DELETE"))
            })
            .flat_map(|rule| rule["resources"].as_array().unwrap())
            .filter_map(Value::as_str)
            .collect();
        // The namespace itself is not in a namespace: neither `edit` nor `admin` may delete it.
        for object in agent
            .objects()
            .iter()
            .filter(|object| object["kind"] != "Namespace")
        {
            let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
            assert!(deleted.contains(&plural.as_str()), "{plural}: {deleted:?}");
        }
    }

    #[test]
    fn the_policy_names_no_user_and_no_group_and_uses_every_variable() {
        let [policy, binding] = guard();
        let text = policy.to_string();
        for word in ["userInfo", "username", "groups", "system:"] {
            assert!(!text.contains(word), "{word}");
        }
        let expressions: Vec<String> = ALLOWED.iter().map(|one| (*one).to_owned()).collect();
        for variable in policy["spec"]["variables"].as_array().unwrap() {
            let name = format!("variables.{}", variable["name"].as_str().unwrap());
            assert!(
                expressions.iter().any(|text| text.contains(&name)),
                "{name}"
            );
        }
        assert_eq!(policy["spec"]["failurePolicy"], "Fail");
        assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
    }
}
