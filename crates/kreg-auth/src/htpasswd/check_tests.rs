use std::time::{Duration, Instant};

use super::*;
use crate::Credentials;

fn user(name: &str, password: &str) -> Credentials {
    Credentials::new(name, password).unwrap()
}

fn cost(number: u32) -> Cost {
    Cost::new(number).unwrap()
}

#[test]
fn the_four_answers() {
    let mut file = Htpasswd::parse("old:$apr1$zzz$zzz\n");
    file.add(&user("new", "right"), Cost::MIN).unwrap();
    let check = |name: &str, password: &str| file.check(name, &password.into());
    assert_eq!(check("new", "right"), Verdict::Accepted);
    assert_eq!(check("new", "wrong"), Verdict::WrongPassword);
    assert_eq!(check("nobody", "right"), Verdict::UnknownUser);
    assert_eq!(check("old", "right"), Verdict::NotAccepted(HashKind::Apr1));
    assert!(check("new", "right").is_accepted() && !check("new", "wrong").is_accepted());
}

#[test]
fn the_last_line_of_a_user_counts() {
    let mut first = Htpasswd::default();
    first.add(&user("u", "first"), Cost::MIN).unwrap();
    let mut second = Htpasswd::default();
    second.add(&user("u", "second"), Cost::MIN).unwrap();
    let both = Htpasswd::parse([first.to_bytes(), second.to_bytes()].concat());
    assert!(both.check("u", &"second".into()).is_accepted());
    assert!(!both.check("u", &"first".into()).is_accepted());
}

#[test]
fn a_refusal_takes_as_long_whoever_asks() {
    const NAMES: [&str; 4] = ["dear", "nobody", "cheap", "apr1"];
    let mut file = Htpasswd::parse("apr1:$apr1$zzz$zzz\n");
    file.add(&user("cheap", "right"), cost(4)).unwrap();
    file.add(&user("dear", "right"), cost(9)).unwrap();
    // Taking turns, and the best of each: other work on this machine only ever adds.
    let mut best = [Duration::MAX; NAMES.len()];
    for _ in 0..15 {
        for (best, name) in best.iter_mut().zip(NAMES) {
            let start = Instant::now();
            assert!(!file.check(name, &"wrong".into()).is_accepted());
            *best = start.elapsed().min(*best);
        }
    }
    let [dear, others @ ..] = best;
    for (name, time) in NAMES[1..].iter().zip(others) {
        let ratio = time.as_secs_f64() / dear.as_secs_f64();
        // Without the stretch the ratio is under 1/30; the margin is for a busy machine.
        assert!(
            (0.5..2.0).contains(&ratio),
            "{name}: {ratio:.2} of the dear user's time"
        );
    }
}

#[test]
fn an_absurd_cost_does_not_slow_the_others() {
    let hash = "$2y$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01232";
    let file = Htpasswd::parse(format!("absurd:{hash}\n"));
    assert_eq!(file.users()[0].hash, HashKind::Bcrypt { cost: Cost::MAX });
    assert_eq!(file.stretch(), cost(14));
    assert_eq!(Htpasswd::default().stretch(), Cost::DEFAULT);
}
