//! Every rule by a value that shows it and by one that nearly does; and all of them on what is well.

mod healthy;
mod shown;
mod spared;

use std::collections::BTreeSet;

use self::healthy::{Edit, authority, healthy, pull};
use self::shown::SHOWN;
use self::spared::SPARED;
use super::*;

fn changed(edit: Edit) -> Observations {
    let mut seen = healthy();
    edit(&mut seen);
    seen
}

#[test]
fn of_a_healthy_registry_nothing_is_said() {
    assert_eq!(examine(&healthy()), []);
    assert_eq!(
        examine(&Observations::default()),
        [],
        "and of one that nobody could look at"
    );
}

#[test]
fn each_break_gives_its_own_cause_first_and_alone() {
    for (wanted, edit) in SHOWN {
        let found = examine(&changed(*edit));
        let roots: Vec<_> = found.iter().map(|one| one.id).collect();
        assert_eq!(roots, [*wanted], "{found:#?}");
        assert!(!found[0].fix.is_empty(), "{wanted} has no fix");
        assert!(!found[0].evidence.is_empty(), "{wanted} has no evidence");
        assert!(!found[0].cause.contains('\n'), "{wanted}: one line");
        // A command line is everybody's to read.
        let steps = format!("{:?}", found[0].fix).to_lowercase();
        assert!(!steps.contains("password="), "{steps}");
    }
}

/// On k3s and others, containerd is no service of its own.
#[test]
fn a_fix_names_the_unit_of_the_nodes_runtime() {
    let mut named = 0;
    for (id, edit) in SHOWN {
        let mut seen = changed(*edit);
        for node in &mut seen.nodes {
            node.runtimes[0].unit = Some("k3s-agent".to_owned());
        }
        for fix in examine(&seen).iter().flat_map(|one| &one.fix) {
            let fix = format!("{fix:?}");
            let wrong = ["restart containerd", "-u containerd", "kubelet containerd"];
            let wrong = wrong.iter().find(|words| fix.contains(**words));
            assert_eq!(wrong, None, "{id}: {fix}");
            named += usize::from(fix.contains("k3s-agent"));
        }
    }
    assert!(named >= 5, "{named}");
}

#[test]
fn what_nearly_looks_like_it_is_not_called_so() {
    for (unwanted, edit) in SPARED {
        let found = examine(&changed(*edit));
        let all = found
            .iter()
            .flat_map(|one| one.consequences.iter().chain([one]));
        let ids: Vec<_> = all.map(|one| one.id).collect();
        assert!(!ids.contains(unwanted), "{unwanted}: {found:#?}");
    }
}

#[test]
fn every_signature_is_shown() {
    let shown: BTreeSet<_> = SHOWN.iter().map(|(id, _)| *id).collect();
    let missing: Vec<_> = Signature::ALL
        .iter()
        .filter(|id| !shown.contains(id))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn causes_stand_before_what_they_explain() {
    for cause in Signature::ALL {
        for other in cause.explains() {
            assert!(
                cause < other,
                "{cause} explains {other}, which stands before it"
            );
        }
    }
}

#[test]
fn what_happens_on_one_node_explains_nothing_on_another() {
    let seen = changed(|seen| {
        seen.nodes[1]
            .files
            .iter_mut()
            .for_each(|file| file.now = None);
        seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    });
    let roots: Vec<_> = examine(&seen).iter().map(|one| one.id).collect();
    assert_eq!(roots, [Signature::TrustErased, Signature::PullNotTrusted]);
}

#[test]
fn an_agent_that_is_refused_is_not_the_cause() {
    let seen = changed(|seen| {
        healthy::refusal(seen, "shadowed");
        seen.nodes[1].agent = Some("its Pod is not ready".to_owned());
    });
    let found = examine(&seen);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].id, Signature::DirectoryShadowed);
    assert_eq!(found[0].consequences[0].id, Signature::AgentMissing);
}

/// What kreg reads, the runtime may not.
#[test]
fn a_file_in_an_odd_form_is_named_with_its_line() {
    let seen = changed(|seen| {
        seen.nodes[0].files[0].now = Some(format!("\u{feff}{}", authority()));
    });
    let found = examine(&seen).remove(0);
    let text = format!("{found:?}");
    assert!(text.contains("finds no certificate in /etc/"), "{text}");
    assert!(
        text.contains("ca.crt, line 1: a byte order mark stands before BEGIN"),
        "{text}"
    );
}

#[test]
fn a_full_disk_is_first_made_room_on_where_that_can_be_done() {
    let full = SHOWN.iter().find(|(id, _)| *id == Signature::DiskFull);
    let (_, edit) = full.unwrap();
    let mut seen = changed(*edit);
    let first = |seen: &Observations| examine(seen)[0].fix[0].clone();
    let collect = |dry_run| Fix::from(Action::CollectGarbage { dry_run });
    assert_eq!(first(&seen), collect(true));
    seen.workload.as_mut().unwrap().ready = 0;
    let later = Fix::to("once its Pod is ready again", collect(false));
    assert_eq!(first(&seen), later);
    seen.registry.by_name = true;
    assert!(
        matches!(first(&seen), Fix::Words(_)),
        "the tutorial's cannot be"
    );
}

#[test]
fn why_no_pod_can_be_made_and_that_its_node_is_lost_are_told() {
    let mut seen = healthy();
    let workload = seen.workload.as_mut().unwrap();
    (workload.ready, workload.refused) = (0, Some("exceeded quota: small".to_owned()));
    let pod = seen.pods.pop().unwrap();
    let found = examine(&seen);
    assert_eq!(found[0].id, Signature::NotReady);
    assert!(
        found[0]
            .evidence
            .iter()
            .any(|line| line.contains("exceeded quota: small"))
    );

    seen.pods.push(PodSeen {
        ready: false,
        ..pod
    });
    seen.nodes[0].not_ready = Some("its condition Ready is not True".to_owned());
    let found = examine(&seen);
    let told = "its node w1 is not ready itself";
    assert!(
        found[0].evidence.iter().any(|line| line == told),
        "{found:#?}"
    );
    assert_eq!(found[1].id, Signature::NodeNotReady);
}

#[test]
fn what_others_wrote_into_files_is_told_without_its_passwords() {
    let secret = "[host.\"https://10.96.0.50:5000\".header]\nAuthorization = \"Basic geheim\"\n";
    for text in [
        format!("{}{secret}", healthy::TOML),
        secret.to_owned(),
        format!("{secret} = broken"),
        healthy::TOML.replace("//10", "//ann:geheim@10"),
        healthy::TOML.replace("https://10", "http://ann:geheim@10"),
    ] {
        let mut seen = healthy();
        healthy::toml(&mut seen, &text);
        let found = examine(&seen);
        assert_eq!(found.len(), 1, "{found:#?}");
        let json = serde_json::to_string(&found).unwrap();
        assert!(!json.contains("geheim"), "{json}");
        assert!(!found[0].to_string().contains("geheim"), "{}", found[0]);
    }
}

#[test]
fn names_in_output_and_in_json_are_the_same() {
    for id in Signature::ALL {
        assert_eq!(serde_json::to_value(id).unwrap(), id.as_str());
    }
}

#[test]
fn observations_survive_json() {
    for (_, edit) in SHOWN {
        let seen = changed(*edit);
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Observations>(&text).unwrap(), seen);
    }
}

#[test]
fn each_runtime_is_judged_by_its_own_proxy_and_by_where_it_goes() {
    let judged_beside = |own: Option<&str>, name: &str, by_name: bool, proxy| {
        let mut seen = healthy();
        let node = &mut seen.nodes[0];
        node.kubelet_unit = own.map(str::to_owned);
        // The kubelet's own has exceptions for both; they are not another's.
        node.runtimes[0].proxy = healthy::proxied("10.96.0.0/12,docker-registry");
        node.runtimes.push(RuntimeSeen {
            name: name.to_owned(),
            unit: Some("some-unit".to_owned()),
            proxy,
            by_name,
            ..RuntimeSeen::default()
        });
        examine(&seen)
    };
    let judged = |name: &str, by_name, proxy| judged_beside(None, name, by_name, proxy);
    for (by_name, exceptions, swallowed) in [
        (false, "", true),
        (false, "docker-registry", true),
        (false, "10.96.0.50", false),
        (true, "10.96.0.50", true),
        (true, "docker-registry", false),
    ] {
        let found = judged("dockerd", by_name, healthy::proxied(exceptions));
        assert_eq!(
            !found.is_empty(),
            swallowed,
            "{by_name} {exceptions}: {found:#?}"
        );
        for one in found {
            assert_eq!(one.id, Signature::ProxySwallows);
            // The kubelet does not pull by it.
            assert_eq!(one.severity, Severity::Warning);
            assert!(
                format!("{:?}", one.fix[0]).contains("systemctl restart some-unit"),
                "{:?}",
                one.fix
            );
        }
    }
    let found = judged("containerd", false, healthy::proxied(""));
    assert_eq!(found[0].severity, Severity::Error);
    // Of two with one name, the kubelet uses the one in this service.
    for (own, severity) in [
        ("containerd", Severity::Warning),
        ("some-unit", Severity::Error),
    ] {
        let found = judged_beside(Some(own), "containerd", false, healthy::proxied(""));
        assert_eq!(found[0].severity, severity, "{own}");
    }
}

#[test]
fn a_proof_is_put_to_what_nothing_explains() {
    let mut seen = healthy();
    let asked = |seen: &Observations| unexplained(seen, &examine(seen));
    let nodes = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(asked(&seen), nodes(&["w1", "w2"]));
    seen.nodes[0].clock_ahead = Some(90_000);
    assert_eq!(
        asked(&seen),
        nodes(&["w2"]),
        "a fault of the node explains it"
    );
    seen.nodes[0].clock_ahead = None;
    seen.nodes[0].contact = Contact::Failed {
        reason: "no sshd".to_owned(),
        remedy: Some("start it".to_owned()),
    };
    assert_eq!(
        asked(&seen),
        nodes(&["w1", "w2"]),
        "only a pull can tell there"
    );
    seen.nodes[1].not_ready = Some("its kubelet is silent".to_owned());
    assert_eq!(asked(&seen), nodes(&["w1"]), "no Pod starts there");
    // A Pod's own fault is nobody else's.
    seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    assert_eq!(asked(&seen), nodes(&["w1"]));
    seen.workload.as_mut().unwrap().wanted = 0;
    assert_eq!(asked(&seen), None, "every proof would fail");
}

#[test]
fn whatever_fails_the_proof_is_named() {
    for (id, edit) in SHOWN {
        for node in [None, Some("w1"), Some("w2")] {
            let mut seen = changed(*edit);
            healthy::failed(&mut seen, node, "some new fault");
            let found = examine(&seen);
            let covers = |one: &Diagnosis| one.node.is_none() || one.node.as_deref() == node;
            let all = found
                .iter()
                .flat_map(|one| one.consequences.iter().chain([one]));
            assert!(all.into_iter().any(covers), "{id} {node:?}: {found:#?}");
        }
    }
}

#[test]
fn a_known_fault_takes_the_change_that_made_it_as_evidence() {
    let mut seen = changed(|seen| {
        seen.workload.as_mut().unwrap().wanted = 0;
        seen.workload.as_mut().unwrap().ready = 0;
        seen.pods.clear();
    });
    healthy::by_hand(&mut seen, "Deployment kreg-system/docker-registry");
    let found = examine(&seen);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].id, Signature::ScaledToZero);
    let told = |line: &String| line.contains("spec.replicas, by kubectl-patch");
    assert!(found[0].evidence.iter().any(told), "{found:#?}");
}

#[test]
fn a_claim_that_the_default_class_took_is_kept_as_it_is() {
    let told = |class: &str| {
        let claim = Claim {
            object: "PersistentVolumeClaim default/docker-repo-pvc".to_owned(),
            class: Some(class.to_owned()),
            volume: Some("pvc-1".to_owned()),
            ..Claim::default()
        };
        let seen = Observations {
            unmanaged: vec![Unmanaged {
                objects: vec!["Pod default/docker-registry-pod".to_owned()],
                claim: Some(claim),
                claim_name: "docker-repo-pvc".to_owned(),
                tutorial_pod: Some(PodName::default()),
            }],
            ..Observations::default()
        };
        examine(&seen)[0].fix.last().unwrap().clone()
    };
    let take_over = |claim: Option<&str>| {
        let claim = claim.map(str::to_owned);
        let action = Action::TakeOver(TakeOver::Tutorial { claim });
        Fix::to("take over the rest", action)
    };
    assert_eq!(told("standard"), take_over(Some("docker-repo-pvc")));
    assert_eq!(told(""), take_over(None));
}
