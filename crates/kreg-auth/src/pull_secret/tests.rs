use proptest::prelude::*;

use super::*;

fn creds(user: &str, password: &str) -> Credentials {
    Credentials::new(user, password).unwrap()
}

fn host(text: &str) -> RegistryHost {
    text.parse().unwrap()
}

fn parse(json: &str) -> Result<PullSecret, PullSecretError> {
    PullSecret::parse(json.as_bytes())
}

#[test]
fn the_document_of_kubectl() {
    // kubectl create secret docker-registry r --docker-server=docker-registry:5000
    //   --docker-username=myuser --docker-password=mypasswd
    let expected = r#"{"auths":{"docker-registry:5000":{"username":"myuser","password":"mypasswd","auth":"bXl1c2VyOm15cGFzc3dk"}}}"#;
    let secret =
        PullSecret::for_registry(&host("docker-registry:5000"), &creds("myuser", "mypasswd"));
    assert_eq!(secret.to_json().expose_secret(), expected);
    assert_eq!(parse(expected).unwrap(), secret);
}

/// Found by fuzzing: a number whose nearest double was printed and read back as its neighbour.
#[test]
fn numbers_of_others_are_read_back_the_same() {
    let text = r#"{"x":33333333333333333333333333333333,"y":0.1,"z":18446744073709551615}"#;
    let secret = parse(text).unwrap();
    let again = parse(secret.to_json().expose_secret()).unwrap();
    assert_eq!(again, secret);
}

#[test]
fn inserting_and_merging_drop_nothing() {
    let text = r#"{"credsStore":"pass","auths":{"ghcr.io":{"auth":"Ym9iOnB3","x":[1]},"r:5000":{"email":"e","identitytoken":"t","auth":"YTpi"}},"HttpHeaders":{"A":"b"}}"#;
    let mut secret = parse(text).unwrap();
    secret.insert(&host("r:5000"), &creds("u", "p"));
    secret.insert_path(&host("r:5000"), "/team", &creds("t", "q"));
    assert_eq!(
        secret.to_json().expose_secret(),
        r#"{"credsStore":"pass","auths":{"ghcr.io":{"auth":"Ym9iOnB3","x":[1]},"r:5000":{"email":"e","auth":"dTpw","username":"u","password":"p"},"r:5000/team":{"username":"t","password":"q","auth":"dDpx"}},"HttpHeaders":{"A":"b"}}"#
    );
    assert!(secret.remove("r:5000") && !secret.remove("r:5000"));

    let mut base = parse(text).unwrap();
    base.merge(&parse(r#"{"auths":{"r:5000":{"auth":"YTpj"},"q:1":{}},"extra":1}"#).unwrap());
    assert_eq!(
        base.to_json().expose_secret(),
        r#"{"credsStore":"pass","auths":{"ghcr.io":{"auth":"Ym9iOnB3","x":[1]},"r:5000":{"auth":"YTpj"},"q:1":{}},"HttpHeaders":{"A":"b"},"extra":1}"#
    );
}

/// `credHelpers` names registries too, and another registry's entry is never dropped.
#[test]
fn merging_settings_drops_nothing_inside_of_them() {
    let mut secret = parse(
        r#"{"auths":{},"credHelpers":{"a.example":"pass","b.example":"old"},"HttpHeaders":{"A":"1"}}"#,
    )
    .unwrap();
    let other =
        r#"{"auths":{},"credHelpers":{"b.example":"new","c.example":"x"},"HttpHeaders":{"B":"2"}}"#;
    secret.merge(&parse(other).unwrap());
    assert_eq!(
        secret.to_json().expose_secret(),
        r#"{"auths":{},"credHelpers":{"a.example":"pass","b.example":"new","c.example":"x"},"HttpHeaders":{"A":"1","B":"2"}}"#
    );
}

/// The kubelet reads both; a program that writes back one of them drops the other.
#[test]
fn what_stands_twice_is_refused() {
    for text in [
        r#"{"auths":{"a.example":{"auth":"YTpi"}},"auths":{"b.example":{"auth":"YTpi"}}}"#,
        r#"{"auths":{"a.example":{"auth":"YTpi"},"a.example":{"auth":"YTpj"}}}"#,
        r#"{"auths":{},"x":[{"y":1,"y":2}]}"#,
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, PullSecretError::Twice(_)), "{error:?}");
    }
    for (text, part) in [
        (
            r#"{"auths":{},"Auths":{}}"#,
            "`auths` stands twice in the document",
        ),
        (
            r#"{"auths":{"r":{"auth":"YTpi","AUTH":"YTpj"}}}"#,
            "`auth` stands twice in r",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn fields_count_in_any_case_as_for_the_kubelet() {
    let text = r#"{"Auths":{"a.example":{"AUTH":"Ym9iOnB3"},"r:5000":{"Username":"u","PASSWORD":"p","identityToken":"t","Email":"e"}}}"#;
    let mut secret = parse(text).unwrap();
    assert_eq!(secret.get("a.example").unwrap().username(), "bob");
    assert_eq!(secret.get("r:5000").unwrap().username(), "u");
    secret.insert(&host("r:5000"), &creds("new", "p"));
    secret.insert(&host("q:1"), &creds("u", "p"));
    assert_eq!(
        secret.to_json().expose_secret(),
        r#"{"Auths":{"a.example":{"AUTH":"Ym9iOnB3"},"r:5000":{"Email":"e","username":"new","password":"p","auth":"bmV3OnA="},"q:1":{"username":"u","password":"p","auth":"dTpw"}}}"#
    );
    assert!(secret.remove("r:5000"));
}

#[test]
fn documents_without_auths_get_some() {
    for text in ["{}", r#"{"auths":null}"#, r#"{"credsStore":"pass"}"#] {
        let mut secret = parse(text).unwrap();
        assert_eq!(secret.auths().count(), 0);
        secret.insert(&host("r:5000"), &creds("u", "p"));
        assert_eq!(secret.get("r:5000").unwrap().username(), "u");
    }
}

#[test]
fn auth_counts_and_disagreement_is_told() {
    let secret = parse(r#"{"auths":{"a":{"username":"x","password":"y","auth":"Ym9iOnA6dw=="},"b":{"username":"x","password":"y"},"c":{"auth":"Ym9iOnA6dw"}}}"#).unwrap();
    let a = secret.get("a").unwrap();
    assert_eq!((a.username(), a.password().expose_secret()), ("bob", "p:w"));
    assert!(a.is_conflicting());
    assert_eq!(secret.get("b").unwrap().username(), "x");
    let c = secret.get("c").unwrap();
    assert!(c.username() == "bob" && !c.is_conflicting());
}

#[test]
fn bad_documents_name_the_place_and_no_secret() {
    for (text, part) in [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        (r#"{"auths":[]}"#, "`auths`"),
        (r#"{"auths":{"r":"hunter2"}}"#, "`r`"),
        (
            r#"{"auths":{"r":{"password":["hunter2"]}}}"#,
            "`password` of `r`",
        ),
        (r#"{"auths":{"r":{"auth":"hunter2"}}}"#, "`auth` of `r`"),
        (
            r#"{"auths":{"r":{"auth":"aHVudGVyMg=="}}}"#,
            "base64(user:password)",
        ),
        (r#"{"auths":{"r":{"auth":"Oj+x4j="}}}"#, "`auth` of `r`"),
        (r#"{"auths":{"r":{"email":1}}}"#, "`email` of `r`"),
        (r#"{"HttpHeaders":{"A":1}}"#, "`A` of `HttpHeaders`"),
        (
            r#"{"r":{"username":"u","password":"hunter2"}}"#,
            ".dockercfg",
        ),
        (r#"{"auths":{"r":{"password":"hunter2}}}"#, "not JSON"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.to_string().contains(part), "{text}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("unter2"),
            "{error:?}"
        );
    }
}

#[test]
fn lookup_in_the_kubelets_order() {
    let text = r#"{"auths":{"r:5000":{"username":"all"},"r:5000/team":{"username":"team"},"*:5000":{"username":"glob"},"https://index.docker.io/v1/":{"username":"hub"},"https://r:5000/v2/":{"username":"v2"},"o:5000":{"username":"other"}}}"#;
    let secret = parse(text).unwrap();
    let users = |image: &str| -> Vec<String> {
        let found = secret.credentials_for(image);
        found
            .iter()
            .map(|auth| auth.username().to_owned())
            .collect()
    };
    assert_eq!(users("r:5000/team/app:v1"), ["team", "all", "v2", "glob"]);
    assert_eq!(users("r:5000/app"), ["all", "v2", "glob"]);
    assert_eq!(users("nginx"), ["hub"]);
    assert_eq!(users("docker.io/team/app"), ["hub"]);
    assert_eq!(users("localhost/app"), ["hub"]);
    assert!(users("r:5001/app").is_empty() && users("r.io/app").is_empty());
}

#[test]
fn debug_shows_registries_only() {
    let secret = PullSecret::for_registry(&host("r:5000"), &creds("bob", "hunter2"));
    let shown = format!("{secret:?} {:?}", secret.get("r:5000").unwrap());
    assert!(shown.contains("r:5000") && !shown.contains("hunter2") && !shown.contains("Ym9i"));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(Value::from("YTpi"))
    ];
    let key = prop_oneof![
        Just("auths".to_owned()),
        Just("auth".to_owned()),
        Just("username".to_owned()),
        "[a-z.:/*]{0,8}"
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = PullSecret::parse(&bytes);
    }

    #[test]
    fn what_parses_survives_and_keeps_all_but_the_entry_inserted(document in json()) {
        let Ok(secret) = parse(&document.to_string()) else { return Ok(()) };
        let json = secret.to_json();
        prop_assert_eq!(json.expose_secret(), &document.to_string());
        let _ = secret.credentials_for("r:5000/app");
        let mut more = secret.clone();
        more.insert(&host("r:5000"), &creds("u", "p"));
        for key in secret.keys().filter(|key| *key != "r:5000") {
            prop_assert!(more.get(key).is_some());
        }
        let mut merged = more.clone();
        merged.merge(&secret);
        for (key, value) in &secret.document {
            if key != "auths" {
                prop_assert_eq!(&more.document[key], value);
            }
        }
        prop_assert_eq!(merged.get("r:5000").is_some(), true);
    }
}
