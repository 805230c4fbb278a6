//! What a rotation would do from here, found out by letting the state machine run on a copy of
//! what it sees, with a CA and certificates that are thrown away.

use kreg_pki::rotation::{Goal, Holdings, NodeTrust, Phase, Policy, Step};
use kreg_pki::{
    Authority, AuthorityRequest, Certificate, Issuer as _, LeafRequest, San, TrustBundle,
};
use serde::Serialize;
use time::OffsetDateTime;

use super::deed::{Deed, common_name};
use crate::error::{Error, Tried as _};

/// More steps than any rotation has.
const MOST: usize = 24;

/// A step that is ahead.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ahead {
    /// Where the rotation stands before it.
    pub phase: Phase,
    /// What would be done.
    #[serde(rename = "step")]
    pub deed: Deed,
}

/// Every step from here to the goal, on the assumption that each node does as it is told and each
/// proof holds.
pub(super) fn steps(
    mut world: Holdings,
    mut goal: Goal,
    policy: &Policy,
    mut now: OffsetDateTime,
) -> Result<Vec<Ahead>, Error> {
    const CONFUSED: &str = "the rotation cannot go on";
    let mut authorities: Vec<Authority> = Vec::new();
    // Whose place a CA takes that is thrown away; none for the new one.
    let mut stand_ins: Vec<(Certificate, Option<Certificate>)> = Vec::new();
    let mut ahead = Vec::new();
    for _ in 0..MOST {
        let phase = world.phase().tried(CONFUSED)?;
        let step = world.next_step(goal, policy, now).tried(CONFUSED)?;
        if step == Step::Done {
            break;
        }
        let name = |one: &Certificate| {
            let stand_in = stand_ins.iter().find(|(stand_in, _)| stand_in == one);
            match stand_in {
                Some((_, None)) => "the new CA".to_owned(),
                Some((_, Some(real))) => common_name(real),
                None => common_name(one),
            }
        };
        let deed = Deed::of(&step, name);
        ahead.push(Ahead { phase, deed });
        match step {
            Step::CreateAuthority => {
                let new = throwaway()?;
                stand_ins.push((new.certificate().clone(), None));
                world.authorities.push(new.certificate().clone());
                authorities.push(new);
                goal = Goal::Finish;
            }
            Step::Publish(bundle) => {
                world.published = bundle;
                for node in &mut world.nodes {
                    *node = NodeTrust::holding(&node.name, &world.published);
                }
            }
            Step::WaitForNodes { .. } => {
                for node in &mut world.nodes {
                    *node = NodeTrust::holding(&node.name, &world.published);
                }
            }
            Step::Serve(by) => {
                // Of a real CA the key is not at hand here; one of the same standing will do.
                let known = authorities.iter().position(|one| one.certificate() == &by);
                let signer = match known {
                    Some(known) => known,
                    None => {
                        let new = throwaway()?;
                        stand_ins.push((new.certificate().clone(), Some(by.clone())));
                        replace(&mut world, &by, new.certificate());
                        authorities.push(new);
                        authorities.len() - 1
                    }
                };
                world.serving = leaf(&authorities[signer])?;
                world.serving_since = now;
                world.proven = None;
            }
            Step::Prove => world.proven = Some(world.serving.fingerprint().to_owned()),
            Step::Drop(which) => {
                world.authorities.retain(|one| one != &which);
                goal = Goal::Finish;
            }
            Step::WaitUntil(end) => now = end,
            _ => break,
        }
    }
    Ok(ahead)
}

fn throwaway() -> Result<Authority, Error> {
    Authority::generate(&AuthorityRequest::new("new")).tried("cannot make a CA to try it with")
}

fn leaf(by: &Authority) -> Result<Certificate, Error> {
    let request = LeafRequest::new("r").sans([San::Dns("registry".to_owned())]);
    let leaf = by
        .issue(&request)
        .tried("cannot make a certificate to try it with")?;
    Ok(leaf.certificate().clone())
}

fn replace(world: &mut Holdings, old: &Certificate, new: &Certificate) {
    for one in &mut world.authorities {
        if one == old {
            *one = new.clone();
        }
    }
    let published = world.published.certificates().iter();
    world.published =
        TrustBundle::new(published.map(|one| if one == old { new } else { one }.clone()));
    for node in &mut world.nodes {
        *node = NodeTrust::holding(&node.name, &world.published);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    fn single() -> Holdings {
        let ca = throwaway().unwrap();
        let bundle = ca.bundle();
        Holdings {
            authorities: vec![ca.certificate().clone()],
            nodes: vec![NodeTrust::holding("n", &bundle)],
            published: bundle,
            serving: leaf(&ca).unwrap(),
            proven: None,
            serving_since: OffsetDateTime::now_utc(),
        }
    }

    fn phases(ahead: &[Ahead]) -> Vec<Phase> {
        let mut phases: Vec<_> = ahead.iter().map(|one| one.phase).collect();
        phases.dedup();
        phases
    }

    #[test]
    fn a_rotation_is_shown_from_its_first_step_to_its_last() {
        let now = OffsetDateTime::now_utc();
        let ahead = steps(single(), Goal::Rotate, &Policy::default(), now).unwrap();
        assert_eq!(
            phases(&ahead),
            [
                Phase::Single,
                Phase::Overlap,
                Phase::Switched,
                Phase::Retired
            ]
        );
        let words: Vec<_> = ahead.iter().map(|one| one.deed.to_string()).collect();
        assert!(
            words.iter().any(|word| word.contains("the new CA")),
            "{words:?}"
        );
        assert!(words[0].starts_with("make a new CA"), "{words:?}");
        assert!(
            words
                .iter()
                .any(|step| step.starts_with("leave both trusted until"))
        );
        assert!(words.last().unwrap().starts_with("delete"), "{words:?}");
        assert_eq!(
            serde_json::to_value(&ahead[0]).unwrap(),
            serde_json::json!({ "phase": "single", "step": words[0] })
        );
    }

    #[test]
    fn half_a_rotation_goes_on_or_back() {
        let mut world = single();
        let new = throwaway().unwrap();
        world.authorities.push(new.certificate().clone());
        world.published = TrustBundle::new(world.authorities.iter().cloned());
        let policy = Policy {
            grace: Duration::ZERO,
            ..Policy::default()
        };
        let now = OffsetDateTime::now_utc();
        let on = steps(world.clone(), Goal::Finish, &policy, now).unwrap();
        assert_eq!(
            phases(&on),
            [Phase::Overlap, Phase::Switched, Phase::Retired]
        );
        let back = steps(world, Goal::RollBack, &policy, now).unwrap();
        assert_eq!(phases(&back), [Phase::Overlap]);
        assert!(matches!(back.last().unwrap().deed, Deed::Drop(_)));
    }
}
