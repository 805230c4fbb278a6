use serde_json::Value;

use super::*;
use crate::profile::Profile;

fn right(verb: &'static str, resource: &'static str, namespace: Option<&str>) -> Right {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Right {
        namespace: namespace.map(str::to_owned),
        group: "",
        resource,
        subresource,
        name: None,
        verb,
    }
}

#[test]
fn what_amounts_to_root_on_a_node_and_what_does_not() {
    let (own, agents, system) = (Some("kreg-system"), Some(NODE_AGENTS), Some("kube-system"));
    // Whether it does: always, only where Pod Security does not restrict the namespace, never.
    let table = [
        ("create", "pods", own, "unrestricted"),
        ("patch", "deployments", own, "unrestricted"),
        ("update", "jobs", own, "unrestricted"),
        ("create", "daemonsets", agents, "always"),
        ("patch", "daemonsets", agents, "always"),
        ("create", "pods", None, "always"),
        ("delete", "pods", agents, "never"),
        ("list", "pods", None, "never"),
        ("create", "pods/exec", agents, "always"),
        ("get", "pods/exec", agents, "always"),
        ("create", "pods/exec", own, "unrestricted"),
        ("create", "pods/attach", None, "always"),
        ("patch", "pods/ephemeralcontainers", agents, "always"),
        ("create", "pods/portforward", agents, "never"),
        ("get", "pods/log", None, "never"),
        ("create", "persistentvolumes", None, "always"),
        ("delete", "persistentvolumes", None, "never"),
        ("create", "persistentvolumeclaims", own, "never"),
        ("patch", "namespaces", None, "always"),
        ("create", "namespaces", None, "never"),
        ("create", "configmaps", agents, "always"),
        ("create", "configmaps", own, "never"),
        ("create", "clusterroles", None, "always"),
        ("get", "clusterroles", None, "never"),
        ("delete", "validatingadmissionpolicies", None, "always"),
        ("patch", "validatingadmissionpolicybindings", None, "always"),
        ("use", "validatingadmissionpolicies", None, "never"),
        ("create", "secrets", None, "always"),
        ("create", "secrets", system, "always"),
        ("create", "secrets", own, "never"),
        ("get", "secrets", own, "never"),
        ("update", "nodes", None, "never"),
    ];
    for (verb, resource, namespace, expected) in table {
        let right = right(verb, resource, namespace);
        let found = match right.node_root() {
            Some(NodeRoot::Always(_)) => "always",
            Some(NodeRoot::Unrestricted(_)) => "unrestricted",
            None => "never",
        };
        assert_eq!(found, expected, "{right}");
    }
}

/// Every list for operation.
fn operation(spec: &RegistrySpec) -> Vec<Right> {
    let (place, extras) = (spec.place(), Extras::from(spec));
    [
        needed(place, extras),
        needed_to_collect(place),
        needed_to_diagnose(place, extras),
        needed_to_prove(place),
    ]
    .concat()
}

fn specs() -> [RegistrySpec; 4] {
    let spec = |profile, agents| {
        RegistrySpec::new(Place::new(profile))
            .with_local_hosting(true)
            .with_node_agent(agents)
    };
    [
        spec(Profile::Default, false),
        spec(Profile::Default, true),
        spec(Profile::Tutorial, false),
        spec(Profile::Tutorial, true),
    ]
}

#[test]
fn operation_writes_nothing_of_the_whole_cluster_but_the_record() {
    for spec in specs() {
        let record = Names::of(spec.place()).inventory;
        for right in operation(&spec) {
            let reads = ["get", "list", "watch", "use"].contains(&right.verb);
            let is_record = right.resource == "clusterroles"
                && right.verb == "patch"
                && right.name.as_deref() == Some(record.name());
            assert!(right.namespace.is_some() || reads || is_record, "{right}");
            let all = [right.group, right.resource, right.verb].contains(&"*");
            assert!(!all, "{right}");
        }
    }
}

/// The record is the exception: it matters once there are agents.
#[test]
fn operation_without_agents_is_root_on_no_node_whose_pods_are_restricted() {
    let roots = |spec: &RegistrySpec| -> Vec<String> {
        let rights = operation(spec);
        let always = |right: &&Right| matches!(right.node_root(), Some(NodeRoot::Always(_)));
        let mut found: Vec<String> = rights
            .iter()
            .filter(always)
            .map(ToString::to_string)
            .collect();
        found.sort();
        found.dedup();
        found
    };
    let [without, with, ..] = specs();
    let record = "patch clusterroles.rbac.authorization.k8s.io kreg:docker-registry in the cluster";
    assert_eq!(roots(&without), [record]);
    let with = roots(&with);
    assert!(
        with.contains(&"create pods/exec in namespace kreg-nodes".to_owned()),
        "{with:?}"
    );
}

#[test]
fn setup_is_more_than_operation_and_never_asks_for_the_same_twice() {
    for spec in specs() {
        let (setup, operation) = (
            needed_to_set_up(spec.place(), (&spec).into()),
            operation(&spec),
        );
        assert!(!setup.is_empty());
        for right in &setup {
            assert!(!operation.contains(right), "{right}");
        }
    }
}

/// The comments are beside the rules that they are about, and the documents are still the objects.
#[test]
fn the_yaml_marks_each_rule_that_amounts_to_root_and_no_other() {
    let spec = RegistrySpec::new(Place::new(Profile::Default)).with_node_agent(true);
    let mut rights = needed(spec.place(), (&spec).into());
    rights.extend(needed_to_set_up(spec.place(), (&spec).into()));
    let text = yaml(spec.place(), "kreg", &rights).unwrap();
    let objects: Vec<Value> = text
        .split("---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    assert_eq!(objects, manifests(spec.place(), "kreg", &rights));
    let lines: Vec<&str> = text.lines().collect();
    let rules = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with("- apiGroups"));
    let mut marked = 0;
    for (at, _) in rules {
        let end = lines[at + 1..]
            .iter()
            .position(|line| !line.starts_with(' '));
        let rule = lines[at..at + 1 + end.unwrap_or(lines.len() - at - 1)].join(" ");
        let is_marked = lines[at - 1].starts_with("# ");
        marked += usize::from(is_marked);
        for (word, root) in [
            ("pods/exec", true),
            ("pods/log", false),
            ("storageclasses", false),
        ] {
            assert!(!rule.contains(word) || is_marked == root, "{rule}");
        }
    }
    assert!(
        text.starts_with(&format!("# {marked} rules below amount to root")),
        "{marked}"
    );
    assert!(text.contains("# create: root on a node: a volume may be any directory"));
}

#[test]
fn policies_are_served_since_kubernetes_1_30() {
    for (version, served) in [
        ("v1.20.15", false),
        ("v1.29.9+k3s1", false),
        ("v1.30.0", true),
        ("v1.37.2", true),
        ("v2.0.0", true),
        ("unknown", true),
    ] {
        assert_eq!(serves_policies(version), served, "{version}");
    }
}

#[test]
fn to_collect_or_to_look_nothing_is_made_or_deleted_and_no_secret_listed() {
    let spec = RegistrySpec::new(Place::new(Profile::Default)).with_node_agent(true);
    let changes = |rights: Vec<Right>| -> Vec<String> {
        let reads = |right: &Right| {
            ["get", "list", "watch"].contains(&right.verb) || right.subresource == "portforward"
        };
        let changing = rights.iter().filter(|right| !reads(right));
        changing.map(ToString::to_string).collect()
    };
    assert_eq!(
        changes(needed_to_collect(spec.place())),
        [
            "patch deployments.apps in namespace kreg-system",
            "create pods/exec in namespace kreg-system"
        ]
    );
    // To ask the agents on the nodes.
    assert_eq!(
        changes(needed_to_diagnose(spec.place(), (&spec).into())),
        [
            "create pods/exec in namespace kreg-nodes",
            "use validatingadmissionpolicies.admissionregistration.k8s.io kreg-nodes in the cluster"
        ]
    );
    let needed = needed(spec.place(), (&spec).into());
    let granted = needed_to_prove(spec.place());
    assert!(
        granted.iter().all(|right| needed.contains(right)),
        "{granted:?}"
    );
    let both = [
        needed_to_collect(spec.place()),
        needed_to_diagnose(spec.place(), (&spec).into()),
    ]
    .concat();
    assert!(
        !both
            .iter()
            .any(|r| r.resource == "secrets" && r.verb != "get")
    );
}

#[test]
fn what_two_commands_need_is_granted_once_and_two_accounts_have_roles_of_their_own() {
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let twice = [
        needed(spec.place(), (&spec).into()),
        needed(spec.place(), (&spec).into()),
    ]
    .concat();
    let (once, twice) = (
        manifests(spec.place(), "a", &needed(spec.place(), (&spec).into())),
        manifests(spec.place(), "a", &twice),
    );
    assert_eq!(once, twice);
    let role = |objects: &[Value]| -> Value {
        let mut roles = objects.iter().filter(|object| object["kind"] == "Role");
        roles.next().unwrap()["metadata"]["name"].clone()
    };
    assert_eq!(role(&once), "a-docker-registry");
    assert_eq!(
        role(&manifests(
            spec.place(),
            "b",
            &needed(spec.place(), (&spec).into())
        )),
        "b-docker-registry"
    );
}

#[test]
fn every_right_is_in_a_role_of_its_namespace_and_the_account_is_bound_to_each() {
    let spec = RegistrySpec::new(Place::new(Profile::Default)).with_local_hosting(true);
    let namespaces = ["team".to_owned()];
    let mut rights = needed(spec.place(), (&spec).into());
    rights.extend(needed_to_share(spec.place(), Some(&namespaces)));
    let objects = manifests(spec.place(), "robot", &rights);
    let of = |kind: &str| {
        objects
            .iter()
            .filter(|object| object["kind"] == kind)
            .collect::<Vec<_>>()
    };
    let granted: usize = ["Role", "ClusterRole"]
        .iter()
        .flat_map(|kind| of(kind))
        .flat_map(|role| role["rules"].as_array().unwrap())
        .map(|rule| rule["verbs"].as_array().unwrap().len())
        .sum();
    assert_eq!(granted, rights.len());
    let places: Vec<_> = of("Role")
        .iter()
        .map(|role| role["metadata"]["namespace"].as_str().unwrap())
        .collect();
    assert!(places.contains(&"team"), "{places:?}");
    assert_eq!(of("Role").len(), of("RoleBinding").len());
    assert_eq!(of("ClusterRole").len(), of("ClusterRoleBinding").len());
    for binding in of("RoleBinding") {
        assert_eq!(binding["subjects"][0]["name"], "robot");
    }
}
