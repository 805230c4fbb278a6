//! What was seen, as it is handed on.

use kreg_verify::doctor::{NodeFile, NodeRefusal, NodeSeen};

use super::*;

fn seen(node: NodeSeen, settings: Vec<Setting>) -> Seen {
    Seen {
        observations: Observations {
            nodes: vec![node],
            ..Observations::default()
        },
        unseen: Vec::new(),
        settings,
    }
}

#[test]
fn the_log_has_no_file_in_it() {
    let file = NodeFile {
        path: "/etc/hosts.toml".to_owned(),
        wanted: "wanted".to_owned(),
        now: Some("Authorization = \"Basic geheim\"".to_owned()),
    };
    let node = NodeSeen {
        files: vec![file],
        ..NodeSeen::default()
    };
    let noted = without_files(&seen(node, Vec::new()).observations);
    assert!(!noted.contains("geheim"), "{noted}");
    assert!(
        noted.contains("/etc/hosts.toml") && noted.contains("30 other bytes"),
        "{noted}"
    );
}

#[test]
fn only_a_remedy_that_is_about_a_setting_is_worded() {
    let refusal = |remedy: &str| NodeRefusal {
        remedy: remedy.to_owned(),
        ..NodeRefusal::default()
    };
    let node = NodeSeen {
        name: "w1".to_owned(),
        refusals: vec![refusal("remove it"), refusal("replace it")],
        contact: Contact::Failed {
            reason: String::new(),
            remedy: Some("name a key".to_owned()),
        },
        ..NodeSeen::default()
    };
    let setting = |node: &str, remedy: &str, advice| Setting {
        node: node.to_owned(),
        remedy: remedy.to_owned(),
        advice,
    };
    let settings = vec![
        setting("w1", "replace it", Advice::Adopt),
        setting("w1", "name a key", Advice::Identity),
        setting("w2", "remove it", Advice::Restart),
    ];
    let worded = seen(node, settings).worded(|remedy, advice| format!("{remedy}: {advice:?}"));
    let node = &worded.observations.nodes[0];
    let remedies: Vec<_> = node
        .refusals
        .iter()
        .map(|one| one.remedy.as_str())
        .collect();
    assert_eq!(remedies, ["remove it", "replace it: Adopt"]);
    let Contact::Failed { remedy, .. } = &node.contact else {
        panic!("{node:?}");
    };
    assert_eq!(remedy.as_deref(), Some("name a key: Identity"));
}
