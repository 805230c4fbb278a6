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
