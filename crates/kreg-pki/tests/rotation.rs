//! Rotation in a small world where nodes lag, vanish and join at random.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;

use common::{now, san};
use kreg_pki::rotation::{Confusion, Goal, Holdings, NodeTrust, Phase, Policy, Step};
use kreg_pki::{Authority, AuthorityRequest, Issuer, LeafRequest, TrustBundle};
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};

/// A cluster that does what it is told, one step at a time.
struct World {
    authorities: Vec<Authority>,
    state: Holdings,
    /// What each node's trust file holds, reachable or not.
    disks: Vec<TrustBundle>,
    reachable: Vec<bool>,
    now: OffsetDateTime,
}

impl World {
    fn new(nodes: usize) -> Self {
        let ca = authority();
        let published = ca.bundle();
        let mut world = Self {
            state: Holdings {
                authorities: vec![ca.certificate().clone()],
                published: published.clone(),
                serving: leaf(&ca),
                proven: None,
                serving_since: now(),
                nodes: vec![],
            },
            authorities: vec![ca],
            disks: vec![published; nodes],
            reachable: vec![true; nodes],
            now: now(),
        };
        world.observe();
        world
    }

    fn observe(&mut self) {
        let report = |(index, disk): (usize, &TrustBundle)| {
            let name = format!("node{index}");
            if self.reachable[index] {
                NodeTrust::holding(name, disk)
            } else {
                NodeTrust::unknown(name)
            }
        };
        self.state.nodes = self.disks.iter().enumerate().map(report).collect();
    }

    fn step(&mut self, goal: Goal, policy: &Policy) -> Step {
        self.observe();
        let step = self.state.next_step(goal, policy, self.now).unwrap();
        match &step {
            Step::CreateAuthority => {
                let ca = authority();
                self.state.authorities.push(ca.certificate().clone());
                self.authorities.push(ca);
            }
            Step::Publish(bundle) => self.state.published = bundle.clone(),
            Step::Serve(by) => {
                let ca = self
                    .authorities
                    .iter()
                    .find(|ca| ca.certificate() == by)
                    .unwrap();
                self.state.serving = leaf(ca);
                self.state.serving_since = self.now;
                self.state.proven = None;
            }
            Step::Drop(which) => {
                self.authorities.retain(|ca| ca.certificate() != which);
                self.state.authorities.retain(|ca| ca != which);
            }
            Step::Prove => {
                let all = self.disks.iter().all(|disk| self.accepts(disk));
                self.state.proven = all.then(|| self.state.serving.fingerprint().to_owned());
            }
            Step::WaitForNodes { .. } | Step::WaitUntil(_) | Step::Done => {}
            other => panic!("a new step without a test: {other:?}"),
        }
        step
    }

    fn accepts(&self, disk: &TrustBundle) -> bool {
        disk.certificates()
            .iter()
            .any(|ca| self.state.serving.is_issued_by(ca))
    }

    fn deliver(&mut self, index: usize) {
        self.disks[index] = self.state.published.clone();
    }

    /// Steps with every node up to date at once, until nothing moves.
    fn settle(&mut self, goal: Goal, policy: &Policy) -> Vec<Phase> {
        let mut phases = vec![self.state.phase().unwrap()];
        for _ in 0..30 {
            (0..self.disks.len()).for_each(|index| self.deliver(index));
            let step = self.step(goal, policy);
            let phase = self.state.phase().unwrap();
            if phases.last() != Some(&phase) {
                phases.push(phase);
            }
            match step {
                Step::Done => return phases,
                Step::WaitUntil(end) => self.now = end,
                // Once round is enough.
                Step::Drop(_) => return phases,
                _ => {}
            }
        }
        panic!("it never settles");
    }
}

fn authority() -> Authority {
    Authority::generate(&AuthorityRequest::new("r").issued_at(now())).unwrap()
}

fn leaf(ca: &Authority) -> kreg_pki::Certificate {
    let request = LeafRequest::new("r")
        .sans([san("registry")])
        .issued_at(now());
    ca.issue(&request).unwrap().certificate().clone()
}

#[test]
fn a_rotation_passes_through_every_phase() {
    let mut world = World::new(3);
    let old = world.state.authorities[0].clone();
    let phases = world.settle(Goal::Rotate, &Policy::default());
    use Phase::{Overlap, Retired, Single, Switched};
    assert_eq!(phases, [Single, Overlap, Switched, Retired, Single]);
    assert_ne!(world.state.authorities, [old]);
    assert_eq!(world.settle(Goal::Finish, &Policy::default()), [Single]);
    assert_eq!(world.now, now() + Policy::default().grace);
}

#[test]
fn an_unreachable_node_blocks_the_switch_until_it_is_excused_by_name() {
    let mut world = World::new(3);
    world.reachable[1] = false;
    let mut policy = Policy::default();
    for _ in 0..2 {
        world.step(Goal::Rotate, &policy);
    }
    world.deliver(0);
    world.deliver(2);
    let Step::WaitForNodes { nodes, authority } = world.step(Goal::Rotate, &policy) else {
        panic!("it did not wait");
    };
    assert_eq!(nodes, ["node1"]);
    assert_eq!(authority, world.state.authorities[1].subject());
    policy.excused.insert("node1".to_owned());
    assert!(matches!(world.step(Goal::Rotate, &policy), Step::Serve(_)));
}

#[test]
fn rolling_back_works_from_every_phase() {
    for steps in 0..12 {
        let mut world = World::new(2);
        let old = world.state.authorities[0].clone();
        for _ in 0..steps {
            (0..2).for_each(|index| world.deliver(index));
            match world.step(Goal::Rotate, &Policy::default()) {
                Step::WaitUntil(end) => world.now = end,
                Step::Drop(_) => return, // the old one is gone; no way back
                _ => {}
            }
        }
        world.settle(Goal::RollBack, &Policy::default());
        world.settle(Goal::Finish, &Policy::default());
        assert_eq!(world.state.authorities, [old], "after {steps} steps");
    }
    panic!("a rotation takes fewer than 12 steps");
}

/// A world that rotates with everybody at hand until it is in this phase.
fn world_in(phase: Phase) -> World {
    let mut world = World::new(2);
    while world.state.phase() != Ok(phase) {
        (0..2).for_each(|index| world.deliver(index));
        if let Step::WaitUntil(end) = world.step(Goal::Rotate, &Policy::default()) {
            world.now = end;
        }
    }
    world
}

#[test]
fn a_late_node_with_an_old_file_holds_up_retirement() {
    let mut world = world_in(Phase::Switched);
    world.disks.push(world.authorities[0].bundle());
    world.reachable.push(true);
    world.now += Policy::default().grace;
    let step = world.step(Goal::Finish, &Policy::default());
    assert!(matches!(step, Step::WaitForNodes { nodes, .. } if nodes == ["node2"]));
}

#[test]
fn the_way_back_waits_for_nodes_that_forgot_the_old_authority() {
    let mut world = world_in(Phase::Retired);
    (0..2).for_each(|index| world.deliver(index));
    let step = world.step(Goal::RollBack, &Policy::default());
    assert!(matches!(step, Step::Publish(bundle) if bundle.len() == 2));
    world.deliver(0);
    let step = world.step(Goal::RollBack, &Policy::default());
    assert!(matches!(step, Step::WaitForNodes { nodes, .. } if nodes == ["node1"]));
    world.deliver(1);
    let step = world.step(Goal::RollBack, &Policy::default());
    assert!(matches!(step, Step::Serve(_)));
}

#[test]
fn a_failed_proof_never_retires_the_old_authority() {
    let mut world = World::new(2);
    let policy = Policy {
        grace: Duration::ZERO,
        excused: BTreeSet::from(["node1".to_owned()]),
    };
    // node1 is excused and never gets the new bundle.
    for _ in 0..20 {
        world.deliver(0);
        world.step(Goal::Rotate, &policy);
    }
    assert_eq!(world.state.phase(), Ok(Phase::Switched));
    assert_eq!(world.step(Goal::Rotate, &policy), Step::Prove);
}

#[test]
fn holdings_that_make_no_sense_change_nothing() {
    let mut state = World::new(1).state;
    state.nodes.clear();
    let policy = Policy::default();
    assert_eq!(
        state.next_step(Goal::Rotate, &policy, now()),
        Err(Confusion::NoNodes)
    );
    let mut state = World::new(1).state;
    state.serving = leaf(&authority());
    assert!(matches!(state.phase(), Err(Confusion::StrangeLeaf { .. })));
    state.authorities.clear();
    assert_eq!(state.phase(), Err(Confusion::Authorities(0)));
}

#[test]
fn a_node_that_reports_a_digest_is_known_by_it() {
    let (one, two) = (authority().bundle(), authority().bundle());
    let both = one.union(&two);
    let candidates = [&one, &both];
    let known = NodeTrust::reporting("n", &both.digest(), &candidates);
    assert_eq!(known, NodeTrust::holding("n", &both));
    assert_eq!(
        NodeTrust::reporting("n", &two.digest(), &candidates),
        NodeTrust::unknown("n")
    );
}

/// What can happen between two looks at the cluster.
#[derive(Clone, Debug)]
enum Event {
    Step(Goal),
    Deliver(usize),
    Toggle(usize),
    Join,
    Days(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop_oneof![6 => Just(Goal::Rotate), 1 => Just(Goal::Finish), 2 => Just(Goal::RollBack)]
            .prop_map(Event::Step),
        6 => (0..4_usize).prop_map(Event::Deliver),
        2 => (0..4_usize).prop_map(Event::Toggle),
        1 => Just(Event::Join),
        2 => (1..8_i64).prop_map(Event::Days),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order, a node that once had a trust file
    /// accepts what the registry serves.
    #[test]
    fn no_node_is_ever_cut_off(
        start in prop::sample::select(vec![Phase::Single, Phase::Switched, Phase::Retired]),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let mut world = world_in(start);
        for event in events {
            match event {
                Event::Step(goal) => {
                    world.step(goal, &Policy::default());
                }
                Event::Deliver(index) => world.deliver(index % world.disks.len()),
                Event::Toggle(index) => {
                    let index = index % world.disks.len();
                    world.reachable[index] = !world.reachable[index];
                }
                Event::Join => {
                    world.disks.push(world.state.published.clone());
                    world.reachable.push(true);
                }
                Event::Days(days) => world.now += Duration::days(days),
            }
            for (index, disk) in world.disks.iter().enumerate() {
                prop_assert!(world.accepts(disk), "node{} is cut off", index);
            }
        }
        // And with everybody back it still comes to an end.
        world.reachable.fill(true);
        world.settle(Goal::Finish, &Policy::default());
    }
}
