//! Which files both read, which credentials they take, and as whom they act.

use crate::page::{Answer, Row};
use crate::world::{Input, World};

/// What is in the folder: each file's user has the file's name for a token.
const FILES: &[(&str, &str)] = &[
    ("a", "u: {token: token-a}"),
    ("b", "u: {token: token-b}"),
    (".kube/config", "u: {token: token-home}"),
    ("acts", "u: {token: token-a, as: file, as-groups: [f, g]}"),
    ("group-only", "u: {token: token-a, as-groups: [f]}"),
    ("uid-only", "u: {token: token-a, as-uid: '7'}"),
    (
        "good",
        "u: {exec: {apiVersion: $G/v1beta1, command: $DIR/good.sh}}",
    ),
    (
        "relative",
        "u: {exec: {apiVersion: $G/v1, command: ./good.sh, interactiveMode: IfAvailable}}",
    ),
    (
        "missing",
        "u: {exec: {apiVersion: $G/v1beta1, command: aws-not-there, args: [--secret=s3cret], \
        interactiveMode: IfAvailable, installHint: get it from the shelf}}",
    ),
    (
        "bare",
        "u: {exec: {apiVersion: $G/v1beta1, command: aws-not-there}}",
    ),
    (
        "failing",
        "u: {exec: {apiVersion: $G/v1beta1, command: $DIR/failing.sh, args: [--secret=s3cret]}}",
    ),
    (
        "silent",
        "u: {exec: {apiVersion: $G/v1beta1, command: 'false'}}",
    ),
    (
        "prose",
        "u: {exec: {apiVersion: $G/v1beta1, command: echo, args: ['[no']}}",
    ),
    (
        "empty-status",
        "u: {exec: {apiVersion: $G/v1beta1, command: $DIR/empty.sh}}",
    ),
    (
        "alpha",
        "u: {exec: {apiVersion: $G/v1alpha1, command: $DIR/good.sh}}",
    ),
    (
        "no-mode",
        "u: {exec: {apiVersion: $G/v1, command: $DIR/good.sh}}",
    ),
    (
        "always",
        "u: {exec: {apiVersion: $G/v1, command: $DIR/good.sh, interactiveMode: Always}}",
    ),
    (
        "no-command",
        "u: {exec: {apiVersion: $G/v1, interactiveMode: Never}}",
    ),
];

/// Programs, by what they do.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "good.sh",
        "echo >>$DIR/runs\n\
         v=$(printf %s \"$KUBERNETES_EXEC_INFO\" | sed 's/.*\"apiVersion\":\"\\([^\"]*\\)\".*/\\1/')\n\
         echo \"{\\\"apiVersion\\\":\\\"$v\\\",\\\"kind\\\":\\\"ExecCredential\\\",\\\"status\\\":{\\\"token\\\":\\\"of-a-program\\\"}}\"",
    ),
    (
        "failing.sh",
        "echo 'token: printed-secret'\necho 'your session has ended: run aws sso login' >&2\nexit 3",
    ),
    (
        "empty.sh",
        "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\"}'",
    ),
];

/// Environment or options, each with `$DIR` for the folder.
const CASES: &[&str] = &[
    "KUBECONFIG=$DIR/a",
    "KUBECONFIG=$DIR/absent:$DIR/a",
    "KUBECONFIG=$DIR/a:$DIR/absent",
    "KUBECONFIG=$DIR/a:$DIR/b",
    "KUBECONFIG=$DIR/b:$DIR/a:$DIR/b",
    "KUBECONFIG=:$DIR/a",
    "KUBECONFIG=",
    "KUBECONFIG=$DIR/absent",
    "KUBECONFIG=$DIR/absent:$DIR/gone",
    "KUBECONFIG=$DIR/broken:$DIR/a",
    "--kubeconfig $DIR/b",
    "--kubeconfig $DIR/absent",
    "--context x",
    "--context absent",
    "--as jane",
    "--as jane --as-group a --as-group b",
    "--as system:serviceaccount:default:jane",
    "--as-group a",
    "--kubeconfig $DIR/acts",
    "--kubeconfig $DIR/acts --as jane",
    "--kubeconfig $DIR/acts --as-group a",
    "--kubeconfig $DIR/acts --as jane --as-group a",
    "--kubeconfig $DIR/group-only",
    "--kubeconfig $DIR/group-only --as jane",
    "--kubeconfig $DIR/uid-only",
    "--kubeconfig $DIR/good",
    "--kubeconfig $DIR/relative",
    "--kubeconfig $DIR/missing",
    "--kubeconfig $DIR/bare",
    "--kubeconfig $DIR/failing",
    "--kubeconfig $DIR/silent",
    "--kubeconfig $DIR/prose",
    "--kubeconfig $DIR/empty-status",
    "--kubeconfig $DIR/alpha",
    "--kubeconfig $DIR/no-mode",
    "--kubeconfig $DIR/always",
    "--kubeconfig $DIR/no-command",
];

pub(crate) fn answers(world: &World) -> Vec<Row> {
    for (name, user) in FILES {
        let user = user.replace("$G", "client.authentication.k8s.io");
        let user = user.strip_prefix("u: ").unwrap();

        let text = format!(
            "clusters: [{{name: c, cluster: {{server: 'https://10.77.0.1:6443', certificate-authority: $DIR/ca.crt}}}}]\n\
             users: [{{name: u, user: {user}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
             current-context: x\n"
        );
        world.write(name, &text);
    }
    world.write("broken", "clusters: [");
    for (name, script) in PROGRAMS {
        let path = world.write(name, &format!("#!/bin/sh\n{script}\n"));
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let rows: Vec<_> = CASES.iter().map(|case| row(world, case)).collect();
    for answer in rows.iter().flat_map(|row| &row.kreg) {
        if let Answer::Failed(said) = answer {
            assert!(
                !said.contains("s3cret") && !said.contains("printed-secret"),
                "{said}"
            );
        }
    }
    rows
}

fn row(world: &World, case: &'static str) -> Row {
    let mut input = Input::default();
    match case.split_once('=') {
        Some(("KUBECONFIG", list)) => input.environment.push(("KUBECONFIG", list)),
        _ => input.options = case.split(' ').collect(),
    }
    let judged = |run: &dyn Fn() -> std::process::Output| {
        world.api.take();
        let runs = world.folder().join("runs");
        let _ = std::fs::remove_file(&runs);
        let output = run();
        let runs = std::fs::read(&runs).map_or(0, |lines| lines.len());
        match world.api.take().iter().find(|seen| seen.path == "/version") {
            Some(seen) if runs > 0 => Answer::Reached(format!("{}, run {runs} time", seen.user)),
            Some(seen) => Answer::Reached(seen.user.clone()),
            None => Answer::failed(&output, world.folder()),
        }
    };
    Row {
        input: vec![format!("`{case}`")],
        kubectl: vec![judged(&|| {
            world.kubectl(&["get", "--raw", "/version"], &input)
        })],
        kreg: vec![judged(&|| world.kreg(&["status"], &input))],
        differs: None,
    }
}
