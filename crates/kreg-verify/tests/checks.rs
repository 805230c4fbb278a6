//! Every check against the real registry: it passes where it should, and fails where the registry
//! is set up badly, in the one way that it is there for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)] // a test may fail by them

#[path = "../../kreg-registry/tests/common/mod.rs"]
mod common;

use common::{Registry, Setup, all};
use kreg_pki::{Authority, AuthorityRequest};
use kreg_registry::dial::TcpDial;
use kreg_verify::{CheckReport, NodeTrust, Remedy, Report, Status, Target, Verdict, Verification};
use std::sync::Arc;

fn target(registry: &Registry) -> Target {
    Target {
        host: common::HOST.parse().unwrap(),
        ca_pem: registry.authority.certificate_pem(),
        credentials: registry.user.clone(),
    }
}

async fn verify(registry: &Registry) -> Report {
    Verification::new(target(registry), registry.dial())
        .run()
        .await
        .unwrap()
}

async fn verify_setup(setup: Setup) -> Report {
    let registry = Registry::start(setup).await;
    verify(&registry).await
}

fn check<'a>(report: &'a Report, name: &str) -> &'a CheckReport {
    report
        .checks
        .iter()
        .find(|check| check.name == name)
        .unwrap()
}

/// Names of the checks with this status.
fn names(report: &Report, status: Status) -> Vec<&str> {
    let checks = report.checks.iter().filter(|check| check.status == status);
    checks.map(|check| check.name.as_str()).collect()
}

fn assert_fails(report: &Report, name: &str, words: &[&str]) {
    let check = check(report, name);
    assert_eq!(check.status, Status::Fail, "{check}");
    for word in words {
        assert!(check.message.contains(word), "`{word}` is not in: {check}");
    }
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_good_registry_passes_everything() {
    let report = verify_setup(Setup {
        delete: true,
        ..Setup::default()
    })
    .await;
    assert_eq!(
        names(&report, Status::Pass).len(),
        report.checks.len(),
        "{report:#?}"
    );
    assert_eq!(report.verdict, Verdict::Pass);
    assert!(
        check(&report, "anonymous")
            .message
            .contains("Basic realm=\"Registry Realm\"")
    );
    assert!(
        check(&report, "without-ca")
            .message
            .contains("unknown authority")
    );
    assert!(
        check(&report, "plain-http")
            .message
            .contains("400 Bad Request")
    );
    assert!(
        check(&report, "cleanup").message.ends_with("deleted"),
        "{}",
        check(&report, "cleanup")
    );
    assert!(
        check(&report, "tls")
            .evidence
            .iter()
            .any(|e| e.text.contains("10.96.0.50"))
    );
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn clearing_up_leaves_no_tag_where_the_registry_deletes_and_says_so_where_it_does_not() {
    let deleting = Registry::start(Setup {
        delete: true,
        ..Setup::default()
    })
    .await;
    verify(&deleting).await;
    let repository = "kreg/verify".parse().unwrap();
    assert_eq!(
        all(deleting.client().tags(&repository, 100, None))
            .await
            .unwrap(),
        Vec::<String>::new()
    );

    let keeping = Registry::start(Setup::default()).await;
    let report = verify(&keeping).await;
    assert_eq!(check(&report, "cleanup").status, Status::Pass);
    assert!(
        check(&report, "cleanup")
            .message
            .contains("deletion is off")
    );
    assert_eq!(check(&report, "delete").status, Status::Skipped);
    assert!(check(&report, "delete").message.contains("deletion is off"));
    let tags = all(keeping.client().tags(&repository, 100, None))
        .await
        .unwrap();
    let mut kinds: Vec<_> = tags
        .iter()
        .filter_map(|tag| tag.split('-').next())
        .collect();
    kinds.sort_unstable(); // distribution 2.8 gives tags in no order
    assert_eq!(kinds, ["delete", "index", "probe"]);
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn lists_are_right_while_other_proofs_push_and_delete() {
    let registry = Registry::start(Setup {
        delete: true,
        ..Setup::default()
    })
    .await;
    let proofs = (0..6).map(|_| verify(&registry));
    for report in futures::future::join_all(proofs).await {
        // Of deletions at the same moment distribution 2.8 answers some with 500.
        let pages = check(&report, "list-pages");
        assert_eq!(pages.status, Status::Pass, "{pages}");
    }
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn what_is_stored_or_trusted_elsewhere_is_compared_with_what_is_served() {
    let setup = Setup::default();
    let registry = Registry::start(Setup::default()).await;
    let ca = registry.authority.certificate_pem();
    let other = Authority::generate(&AuthorityRequest::new("other")).unwrap();
    let read = |node: &str, pem: &str| NodeTrust {
        node: node.to_owned(),
        files: Ok(vec![("/etc/ca.crt".to_owned(), pem.into())]),
    };
    let verification = |target: Target| {
        Verification::new(target, registry.dial()).only(["stored", "user", "node-ca"])
    };
    let good = verification(target(&registry))
        .stored_chain(registry.chain_pem.clone())
        .users([registry.user.clone()])
        .node_trust([read("n1", &ca)])
        .run()
        .await
        .unwrap();
    assert_eq!(good.verdict, Verdict::Pass, "{good:#?}");
    assert_eq!(
        names(&good, Status::Pass),
        ["stored", "user", "node-ca", "cleanup"]
    );

    let unreadable = NodeTrust {
        node: "n4".to_owned(),
        files: Err("no route to host".to_owned()),
    };
    let stranger = kreg_auth::Credentials::new("ann", "hunter2").unwrap();
    let both = format!("{ca}{}", other.certificate_pem());
    // The runtime reads two files, and one of them is gone.
    let one_of_two = NodeTrust {
        node: "n6".to_owned(),
        files: Ok(vec![
            ("/etc/ca.crt".to_owned(), both.clone().into()),
            ("/other/ca.crt".to_owned(), Vec::new()),
        ]),
    };
    let bad = verification(Target {
        ca_pem: both,
        ..target(&registry)
    })
    .stored_chain(common::leaf(&setup, &registry.authority).chain_pem())
    .users([stranger])
    .node_trust([
        read("n1", &other.certificate_pem()),
        read("n2", &ca),
        read("n3", "nothing"),
        unreadable,
        read("n5", &format!("\u{feff}{ca}")),
        one_of_two,
    ])
    .run()
    .await
    .unwrap();
    assert_fails(&bad, "stored", &["another certificate", "restart"]);
    assert_fails(&bad, "user", &["401", "htpasswd"]);
    assert_eq!(bad.failed_nodes(), ["n1", "n2", "n3", "n4", "n5", "n6"]);
    for (node, words) in [
        ("n1", "does not vouch"),
        ("n2", "lacks"),
        ("n3", "/etc/ca.crt"),
        ("n4", "no route to host"),
        ("n5", "a byte order mark stands before BEGIN"),
        (
            "n6",
            "/other/ca.crt, which the node's container runtime reads, is missing",
        ),
    ] {
        let check = bad.of_node(node).next().unwrap();
        assert!(check.message.contains(words), "{check}");
    }
    assert!(!format!("{bad:?}").contains("hunter2"));
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_certificate_that_ends_soon_fails_by_itself() {
    let report = verify_setup(Setup {
        issued: (-85, 90),
        ..Setup::default()
    })
    .await;
    assert_eq!(names(&report, Status::Fail), ["expiry"]);
    assert_fails(&report, "expiry", &["the leaf ends in 4 days"]);
    let remedy = check(&report, "expiry").remedy;
    assert_eq!(remedy, Some(Remedy::RenewLeaf));
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_registry_without_auth_fails_the_controls_of_auth_and_no_other() {
    let report = verify_setup(Setup {
        auth: false,
        ..Setup::default()
    })
    .await;
    assert_eq!(
        names(&report, Status::Fail),
        ["anonymous", "wrong-password"]
    );
    assert_fails(
        &report,
        "anonymous",
        &["lets anybody in", "REGISTRY_AUTH=htpasswd"],
    );
    assert_eq!(report.verdict, Verdict::Fail);
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_registry_without_tls_fails_and_is_told_by_its_plain_answer() {
    let report = verify_setup(Setup {
        tls: false,
        ..Setup::default()
    })
    .await;
    assert_fails(&report, "tls", &["does not speak TLS"]);
    assert_fails(
        &report,
        "plain-http",
        &["answers plain HTTP", "REGISTRY_HTTP_TLS_CERTIFICATE"],
    );
    assert_fails(&report, "without-ca", &["does not speak TLS"]);
    assert!(
        names(&report, Status::Pass)
            .iter()
            .all(|name| *name == "cleanup"),
        "{report:#?}"
    );
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_wrong_ca_fails_with_the_certificate_named() {
    let registry = Registry::start(Setup::default()).await;
    let other = Authority::generate(&AuthorityRequest::new("other")).unwrap();
    let target = Target {
        ca_pem: other.certificate_pem(),
        ..target(&registry)
    };
    let report = Verification::new(target, registry.dial())
        .run()
        .await
        .unwrap();
    assert_fails(&report, "tls", &["not signed by the given CA"]);
    assert_fails(&report, "login", &["not signed by the given CA"]);
    assert_eq!(check(&report, "push").status, Status::Skipped);
    assert_eq!(check(&report, "without-ca").status, Status::Pass);
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn certificates_for_another_name_or_time_fail() {
    let report = verify_setup(Setup {
        names: vec!["other-name"],
        ..Setup::default()
    })
    .await;
    assert_fails(&report, "tls", &["not for this name"]);
    let report = verify_setup(Setup {
        issued: (-100, 90),
        ..Setup::default()
    })
    .await;
    assert_fails(&report, "tls", &["expired: renew it"]);
    assert_fails(&report, "without-ca", &[]);
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_wrong_password_of_ours_fails_login_and_skips_what_builds_on_it() {
    let registry = Registry::start(Setup::default()).await;
    let target = Target {
        credentials: kreg_auth::Credentials::new("myuser", "other").unwrap(),
        ..target(&registry)
    };
    let report = Verification::new(target, registry.dial())
        .run()
        .await
        .unwrap();
    assert_eq!(names(&report, Status::Fail), ["login"]);
    assert_fails(&report, "login", &["401", "htpasswd"]);
    assert_eq!(
        names(&report, Status::Skipped),
        [
            "push",
            "push-whole",
            "push-chunked",
            "push-resumed",
            "mount",
            "list",
            "list-pages",
            "pull",
            "index",
            "delete"
        ]
    );
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_broken_users_file_is_told_by_its_empty_400() {
    let report = verify_setup(Setup {
        htpasswd: Some("no colon in this line\n"),
        ..Setup::default()
    })
    .await;
    assert_fails(&report, "login", &["400", "htpasswd"]);
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_read_only_registry_fails_the_push_with_its_reason() {
    let report = verify_setup(Setup {
        env: vec![(
            "REGISTRY_STORAGE_MAINTENANCE",
            "{readonly: {enabled: true}}",
        )],
        ..Setup::default()
    })
    .await;
    let failed = names(&report, Status::Fail);
    assert_eq!(
        failed,
        [
            "push",
            "push-whole",
            "push-chunked",
            "push-resumed",
            "index",
            "delete"
        ]
    );
    for name in failed {
        assert_fails(&report, name, &["405", "read-only"]);
    }
    assert_eq!(check(&report, "list").status, Status::Skipped);
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn uploads_sent_elsewhere_fail_the_push() {
    let report = verify_setup(Setup {
        env: vec![("REGISTRY_HTTP_HOST", "https://elsewhere:5000")],
        ..Setup::default()
    })
    .await;
    assert_fails(&report, "push", &["elsewhere:5000", "REGISTRY_HTTP_HOST"]);
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn the_controls_fail_and_do_not_pass_where_nothing_listens() {
    let registry = Registry::start(Setup::default()).await;
    let (target, port) = (target(&registry), registry.port);
    registry.container.rm().await.unwrap();
    let dial = Arc::new(TcpDial::new(format!("127.0.0.1:{port}")));
    let report = Verification::new(target, dial).run().await.unwrap();
    assert!(
        names(&report, Status::Pass)
            .iter()
            .all(|name| *name == "cleanup"),
        "{report:#?}"
    );
    assert_fails(&report, "plain-http", &["refused"]);
}
