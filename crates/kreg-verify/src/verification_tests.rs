use std::sync::Mutex;
use std::time::Duration;

use futures::future::BoxFuture;
use kreg_auth::Credentials;

use super::*;
use crate::check::Status;
use crate::selection::CHECKS;
use kreg_registry::dial::TcpDial;

/// A check that ends as it is told to, and notes that it ran.
struct Fake {
    name: &'static str,
    after: &'static [&'static str],
    outcome: Outcome,
    ran: Arc<Mutex<Vec<&'static str>>>,
    delay: Duration,
}

impl Check for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn title(&self) -> String {
        self.name.to_owned()
    }

    fn after(&self) -> &[&str] {
        self.after
    }

    fn run<'a>(&'a self, _: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            tokio::time::sleep(self.delay).await;
            self.ran.lock().unwrap().push(self.name);
            self.outcome.clone()
        })
    }
}

struct Bench {
    ran: Arc<Mutex<Vec<&'static str>>>,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            ran: Arc::default(),
        }
    }

    fn check(
        &self,
        name: &'static str,
        after: &'static [&'static str],
        outcome: Outcome,
    ) -> Box<dyn Check> {
        Box::new(Fake {
            name,
            after,
            outcome,
            ran: Arc::clone(&self.ran),
            delay: Duration::ZERO,
        })
    }
}

fn verification() -> Verification {
    let key = include_str!("../tests/data/ca.pem");
    let target = Target {
        host: "docker-registry:5000".parse().unwrap(),
        ca_pem: key.to_owned(),
        credentials: Credentials::new("u", "p").unwrap(),
    };
    Verification::new(target, Arc::new(TcpDial::new("127.0.0.1:1")))
}

async fn statuses(checks: &[Box<dyn Check>]) -> Vec<(Status, String)> {
    let context = verification().context(Vec::new()).unwrap();
    let mut slots: Vec<Option<CheckReport>> = checks.iter().map(|_| None).collect();
    let observer: Observer = Box::new(|_| {});
    run_all(checks, &context, &mut slots, &observer).await;
    slots
        .into_iter()
        .flatten()
        .map(|report| (report.status, report.message))
        .collect()
}

#[tokio::test]
async fn a_check_waits_for_what_it_builds_on_wherever_it_stands() {
    let bench = Bench::new();
    let checks = vec![
        bench.check("c", &["b"], Outcome::pass("")),
        bench.check("b", &["a"], Outcome::pass("")),
        bench.check("a", &[], Outcome::pass("")),
    ];
    let results = statuses(&checks).await;
    assert!(results.iter().all(|(status, _)| *status == Status::Pass));
    assert_eq!(*bench.ran.lock().unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn what_builds_on_a_failure_is_skipped_all_the_way_down() {
    let bench = Bench::new();
    let checks = vec![
        bench.check("a", &[], Outcome::fail("no")),
        bench.check("b", &["a"], Outcome::pass("")),
        bench.check("c", &["b"], Outcome::pass("")),
        bench.check("d", &["nowhere"], Outcome::pass("")),
        bench.check("e", &[], Outcome::pass("")),
    ];
    let results = statuses(&checks).await;
    assert_eq!(
        results[1],
        (Status::Skipped, "builds on `a`, which failed".into())
    );
    assert_eq!(
        results[2],
        (Status::Skipped, "builds on `b`, which was skipped".into())
    );
    assert_eq!(
        results[3],
        (
            Status::Skipped,
            "builds on `nowhere`, which was left out".into()
        )
    );
    assert_eq!(*bench.ran.lock().unwrap(), ["a", "e"]);
}

#[tokio::test]
async fn checks_in_a_circle_fail_instead_of_vanishing() {
    let bench = Bench::new();
    let checks = vec![
        bench.check("a", &["b"], Outcome::pass("")),
        bench.check("b", &["a"], Outcome::pass("")),
    ];
    let results = statuses(&checks).await;
    assert!(results.iter().all(|(status, _)| *status == Status::Fail));
}

#[test]
fn selecting_brings_what_is_needed_and_leaves_out_what_is_not_wanted() {
    let names = |verification: Verification| -> Vec<String> {
        let selected = verification.selection.of(checks::all()).unwrap();
        selected
            .iter()
            .map(|check| check.name().to_owned())
            .collect()
    };
    assert_eq!(
        names(verification().only(["list"])),
        ["login", "push", "list"]
    );
    assert_eq!(names(verification().only(["tls"])), ["tls"]);
    let rest = names(verification().skip(["tls", "push"]));
    assert!(!rest.contains(&"tls".to_owned()) && !rest.contains(&"push".to_owned()));
    assert_eq!(rest.len(), checks::all().len() - 2);
}

#[test]
fn an_unknown_check_is_refused_with_those_there_are() {
    let Err(error) = verification().skip(["tsl"]).selection.of(checks::all()) else {
        panic!("taken")
    };
    let words = error.to_string();
    assert!(
        words.contains("`tsl`") && words.contains("node-pull") && words.contains("cleanup"),
        "{words}"
    );
}

#[test]
fn what_selects_nothing_is_refused_with_the_reason() {
    let refused = |verification: Verification| {
        let selected = verification.selection.of(checks::all());
        selected.map(drop).unwrap_err().to_string()
    };
    for (name, words) in [
        ("user", "no further users"),
        ("node-ca", "nothing was read"),
        ("stored", "stored certificate"),
        ("node-pull", "no node"),
        (CLEANUP, "clears up after others"),
    ] {
        let told = refused(verification().only([name]));
        assert!(
            told.contains(&format!("`{name}`")) && told.contains(words),
            "{told}"
        );
    }
    let both = refused(verification().only(["tls"]).skip(["tls"]));
    assert!(both.contains("skipped, too"), "{both}");
    // What would run beside it does not make up for it.
    assert!(refused(verification().only(["tls", "user"])).contains("`user`"));
    let all = CHECKS.map(|(name, _)| name);
    assert!(refused(verification().skip(all)).contains("every check"));
    let given = verification().only(["tls"]).skip(["push"]);
    assert_eq!(given.selection.of(checks::all()).unwrap().len(), 1);
}

#[test]
fn the_list_of_checks_is_the_truth() {
    let listed: Vec<_> = CHECKS
        .iter()
        .map(|(name, title)| ((*name).to_owned(), (*title).to_owned()))
        .collect();
    let real: Vec<_> = checks::all()
        .iter()
        .map(|c| (c.name().to_owned(), c.title()))
        .collect();
    assert_eq!(listed[..real.len()], real);
    let rest: Vec<_> = CHECKS[real.len()..].iter().map(|(name, _)| *name).collect();
    let made = ["node-route", NodeCa::NAME, "node-pull"];
    assert_eq!(rest, [&["stored", "user"][..], &made, &[CLEANUP]].concat());
    let extra = verification()
        .stored_chain("")
        .users([Credentials::new("u", "p").unwrap()]);
    let extra: Vec<_> = extra.extra.iter().map(|check| check.name()).collect();
    assert_eq!(extra, ["stored", "user"]);
}

#[tokio::test]
async fn a_registry_that_is_not_there_fails_every_check_or_skips_it_and_nothing_passes() {
    let report = verification().run().await.unwrap();
    assert_eq!(report.verdict, crate::Verdict::Fail);
    for check in report.checks.iter().filter(|check| check.name != CLEANUP) {
        assert_ne!(check.status, Status::Pass, "{check}");
    }
    let login = report
        .checks
        .iter()
        .find(|check| check.name == "login")
        .unwrap();
    assert!(login.message.contains("127.0.0.1:1"), "{login}");
}

#[tokio::test]
async fn stopping_keeps_what_is_known_and_says_so() {
    let bench = Bench::new();
    let slow = Fake {
        name: "slow",
        after: &[],
        outcome: Outcome::pass(""),
        ran: Arc::clone(&bench.ran),
        delay: Duration::from_secs(60),
    };
    let stop = tokio::time::sleep(Duration::from_millis(500));
    let report = verification()
        .with_check(slow)
        .run_until(stop)
        .await
        .unwrap();
    assert!(report.interrupted);
    let slow = report
        .checks
        .iter()
        .find(|check| check.name == "slow")
        .unwrap();
    assert_eq!(
        (slow.status, slow.message.as_str()),
        (Status::Skipped, "interrupted")
    );
    assert!(
        report
            .checks
            .iter()
            .any(|check| check.name == "tls" && check.status == Status::Fail)
    );
    assert!(report.checks.iter().any(|check| check.name == CLEANUP));
}
