//! What a person runs to put back by hand a node that could not be entered.

use kreg_nodes::ByHand;

pub(super) fn words(ways: &[ByHand], instance: &str) -> Option<String> {
    let script = format!("kreg nodes script untrust --name {instance}");
    let lines: Vec<_> = ways.iter().filter_map(|way| way.line(&script)).collect();
    if !lines.is_empty() {
        return Some(format!(
            "once they can be reached, run `kreg nodes untrust` again, which needs no registry; or by hand:\n{}",
            lines.join("\n")
        ));
    }
    let unknown: Vec<_> = ways.iter().map(ByHand::node).collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "once their agents answer, run the same command again; or run as root, on each of {}, the program that \
             `{script}` prints",
            unknown.join(", ")
        )
    })
}
