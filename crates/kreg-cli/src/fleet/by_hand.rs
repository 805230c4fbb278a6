//! What a person runs to put back by hand a node that could not be entered.

use kreg_nodes::ByHand;

pub(super) fn words(ways: &[ByHand], instance: &str) -> Option<String> {
    let script = format!("kreg nodes script untrust --name {instance}");
    let (mut lines, mut unknown) = (Vec::new(), Vec::new());
    for way in ways {
        match way {
            ByHand::Pipe { command, .. } => lines.push(format!("{script} | {command}")),
            ByHand::Terminal { put, run, .. } => {
                lines.push(format!("{script} | {put} && {run}"));
            }
            other => unknown.push(other.node()),
        }
    }
    let known = (!lines.is_empty()).then(|| {
        format!(
            "once they can be reached, run `kreg nodes untrust` again, which needs no registry; \
             or by hand:\n{}",
            lines.join("\n")
        )
    });
    let unknown = (!unknown.is_empty()).then(|| {
        format!(
            "once their agents answer, run the same command again; or run as root, on each of {}, the \
             program that `{script}` prints",
            unknown.join(", ")
        )
    });
    known.or(unknown)
}
