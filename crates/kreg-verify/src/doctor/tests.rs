//! Every rule by a value that shows it and by one that nearly does; and all of them on what is well.

mod healthy;
mod shown;
mod spared;

use std::collections::BTreeSet;

use self::healthy::{Edit, healthy, pull};
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
        let leaks = |step: &String| step.to_lowercase().contains("password=");
        assert!(!found[0].fix.iter().any(leaks), "{:?}", found[0].fix);
    }
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

#[test]
fn a_full_disk_is_first_made_room_on_where_that_can_be_done() {
    let full = SHOWN.iter().find(|(id, _)| *id == Signature::DiskFull);
    let (_, edit) = full.unwrap();
    let mut seen = changed(*edit);
    let first = |seen: &Observations| examine(seen)[0].fix[0].clone();
    assert!(first(&seen).starts_with("kreg gc "), "{}", first(&seen));
    seen.workload.as_mut().unwrap().ready = 0;
    assert!(first(&seen).contains("once its Pod is ready again: kreg gc"));
    seen.registry.by_name = true;
    assert!(
        !first(&seen).contains("kreg gc"),
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
