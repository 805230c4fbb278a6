use proptest::prelude::*;

use super::*;
use crate::{HashKind, Problem};

fn user(name: &str, password: &str) -> Credentials {
    Credentials::new(name, password).unwrap()
}

/// All that must survive: comment, blank line, foreign hash, indentation, CRLF, third field.
const MIXED: &[u8] =
    b"# team\r\n\r\n  a:$apr1$x$y\t\r\nb:HASH:Bob B.\r\n\xff\xfe no utf-8:\r\nc:{SHA}z";

#[test]
fn adding_ends_the_last_line_and_leaves_the_rest() {
    let mut file = Htpasswd::parse(MIXED);
    file.add(&user("d", "pw"), Cost::MIN).unwrap();
    let bytes = file.to_bytes();
    let added = bytes.strip_prefix(MIXED).unwrap();
    assert!(added.starts_with(b"\r\nd:$2y$04$") && added.ends_with(b"\r\n"));
    assert_eq!(added.len(), 2 + 2 + 60 + 2);
    file.remove("d").unwrap();
    assert_eq!(file.to_bytes(), [MIXED, b"\r\n"].concat());
}

#[test]
fn changing_touches_only_the_hash() {
    for (name, before, after) in [
        (
            "a",
            &b"# team\r\n\r\n  a:"[..],
            &b"\t\r\nb:HASH:Bob B.\r\n\xff\xfe no utf-8:\r\nc:{SHA}z"[..],
        ),
        (
            "b",
            b"# team\r\n\r\n  a:$apr1$x$y\t\r\nb:",
            b":Bob B.\r\n\xff\xfe no utf-8:\r\nc:{SHA}z",
        ),
        (
            "c",
            b"# team\r\n\r\n  a:$apr1$x$y\t\r\nb:HASH:Bob B.\r\n\xff\xfe no utf-8:\r\nc:",
            b"",
        ),
    ] {
        let mut file = Htpasswd::parse(MIXED);
        file.change(&user(name, "new"), Cost::MIN).unwrap();
        assert!(file.check(name, &"new".into()).is_accepted(), "{name}");
        let bytes = file.to_bytes();
        assert!(
            bytes.starts_with(before) && bytes.ends_with(after),
            "{name}"
        );
        assert_eq!(bytes.len(), before.len() + 60 + after.len(), "{name}");
    }
}

#[test]
fn edits_that_are_refused_change_nothing() {
    let text = "u:x\nv:y\nu:z\n";
    let mut file = Htpasswd::parse(text);
    let error = file.add(&user("v", "p"), Cost::MIN).unwrap_err();
    assert!(
        matches!(error, HtpasswdError::UserExists { line: 2, .. }),
        "{error}"
    );
    let error = file.change(&user("w", "p"), Cost::MIN).unwrap_err();
    assert!(matches!(error, HtpasswdError::NoSuchUser { .. }), "{error}");
    let error = file.set(&user("u", "p"), Cost::MIN).unwrap_err();
    assert!(
        matches!(&error, HtpasswdError::Duplicate { lines, .. } if lines == &[1, 3]),
        "{error}"
    );
    assert!(file.remove("w").is_err());
    assert_eq!(file.to_bytes(), text.as_bytes());
    file.remove("u").unwrap();
    assert_eq!(file.to_bytes(), b"v:y\n");
}

#[test]
fn findings_name_line_user_and_what_to_do() {
    let text = format!(
        "\u{feff}a:x\nu:$apr1$x$y\nbroken\n:{0}\nu:{0}\n# {1}\n",
        "$2y$04$".to_owned() + &"a".repeat(53),
        "x".repeat(70_000)
    );
    let file = Htpasswd::parse(&text);
    let found: Vec<_> = file
        .findings()
        .into_iter()
        .map(|f| (f.line, f.problem))
        .collect();
    assert_eq!(
        found[..6],
        [
            (1, Problem::ByteOrderMark),
            (1, Problem::NotAccepted(HashKind::Other)),
            (2, Problem::Shadowed { by: 5 }),
            (2, Problem::NotAccepted(HashKind::Apr1)),
            (3, Problem::NoColon),
            (4, Problem::EmptyUsername),
        ]
    );
    assert_eq!(found.last().unwrap(), &(6, Problem::TooLong));
    let message = file.findings()[3].to_string();
    assert!(
        message.contains("user \"u\": this registry will not accept it"),
        "{message}"
    );
    let error = file.validate().unwrap_err().to_string();
    assert!(error.contains("whole file: line 3: no `:`"), "{error}");
    assert!(Htpasswd::parse("u:x\n").validate().is_ok());
}

#[test]
fn debug_shows_no_hash() {
    let mut file = Htpasswd::default();
    file.add(&user("u", "p"), Cost::MIN).unwrap();
    let shown = format!("{file:?}");
    assert!(
        shown.contains("\"u\"") && !shown.contains("$2y$"),
        "{shown}"
    );
}

/// Files of lines that matter, with every line end, and now and then any bytes at all.
fn files() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[a-c]:\\$apr1\\$[a-z]{3}",
        "[a-c]:[ -~]{0,10}",
        " {0,2}[a-c]: {0,2}",
        "#[ -~]{0,10}",
        "[ \\t]{0,3}",
        "\\PC{0,10}",
    ]
    .prop_map(String::into_bytes);
    let line = prop_oneof![6 => line, 1 => proptest::collection::vec(any::<u8>(), 0..10)];
    let end = prop_oneof![Just(&b"\n"[..]), Just(&b"\r\n"[..])];
    let lines = proptest::collection::vec((line, end), 0..12);
    (lines, any::<bool>()).prop_map(|(lines, cut)| {
        let mut bytes: Vec<u8> = lines
            .into_iter()
            .flat_map(|(line, end)| [line, end.to_vec()])
            .flatten()
            .collect();
        if cut {
            bytes.pop();
        }
        bytes
    })
}

proptest! {
    #[test]
    fn every_byte_survives(bytes: Vec<u8>, file in files()) {
        prop_assert_eq!(&Htpasswd::parse(&bytes).to_bytes(), &bytes);
        prop_assert_eq!(&Htpasswd::parse(&file).to_bytes(), &file);
        let _ = Htpasswd::parse(&bytes).findings();
    }

    #[test]
    fn an_edit_touches_no_other_line(bytes in files(), name in "[a-d]") {
        let before = Htpasswd::parse(&bytes);
        let others = |file: &Htpasswd| -> Vec<Vec<u8>> {
            let own = file.lines_of(&name);
            file.numbered().filter(|(n, _)| !own.contains(n)).map(|(_, raw)| raw.to_vec()).collect()
        };
        let mut after = before.clone();
        if after.set(&user(&name, "new"), Cost::MIN).is_err() {
            prop_assert_eq!(&after, &before);
            prop_assert!(before.lines_of(&name).len() > 1);
            return Ok(());
        }
        prop_assert!(after.check(&name, &"new".into()).is_accepted());
        // What was written is read the same way again.
        prop_assert_eq!(&Htpasswd::parse(after.to_bytes()), &after);
        let (mut kept, mut expected) = (others(&after), others(&before));
        if before.lines_of(&name).is_empty() && before.lines.last().is_some_and(|raw| line_end(raw).is_empty()) {
            // The one allowed change: the former last line gets the line end that it lacked.
            let (kept, expected) = (kept.pop().unwrap(), expected.pop().unwrap());
            let end = kept.strip_prefix(expected.as_slice());
            prop_assert!(matches!(end, Some(b"\n" | b"\r\n")), "{kept:?}");
        }
        prop_assert_eq!(kept, expected);
        after.remove(&name).unwrap();
        prop_assert!(!after.contains(&name));
    }
}
