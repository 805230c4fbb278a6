//! `policy.json`: which images may be used at all (containers-policy.json(5)).

use serde_json::{Map, Value};

use super::registries::fits;

/// What `policy.json` asks of images of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// They must be signed; an image that is not signed is refused.
    Signature,
    /// None of them may be used.
    Rejected,
}

/// What `policy.json` asks, and by which of its entries, such as `transports.docker."r:5000"`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The entry.
    pub entry: String,
    /// What it asks.
    pub demand: Demand,
}

/// What a `policy.json` says about a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// About every image of it that no entry of `within` is about.
    pub host: Rule,
    /// About images of single repositories of it.
    pub within: Vec<Rule>,
}

impl Policy {
    /// What `text` says about images of `host`. The longest scope decides, then the longest
    /// `*.domain`, then the scope of all images, then `default` (containers/image
    /// `signature/policy_eval.go`, `docker/policyconfiguration/naming.go`).
    ///
    /// # Errors
    /// The words of the JSON parser, or what is missing: every pull fails with such a file.
    pub fn read(text: &[u8], host: &str) -> Result<Policy, String> {
        let value: Value =
            serde_json::from_slice(text).map_err(|e| format!("is not valid JSON: {e}"))?;
        let Some(default) = value.get("default") else {
            return Err("has no `default`".to_owned());
        };
        let none = Map::new();
        let scopes = value["transports"]["docker"].as_object().unwrap_or(&none);
        let named = |scope: &str| format!("transports.docker.\"{scope}\"");
        let fitting = scopes
            .iter()
            .filter(|(scope, _)| *scope == host || (scope.starts_with("*.") && fits(scope, host)));
        let best = fitting.max_by_key(|(scope, _)| (*scope == host, scope.len()));
        let host_rule = match best.or_else(|| scopes.get_key_value("")) {
            Some((scope, rules)) => rule(named(scope), rules)?,
            None => rule("default".to_owned(), default)?,
        };
        let within = scopes
            .iter()
            .filter(|(scope, _)| *scope != host && scope.starts_with(&format!("{host}/")))
            .map(|(scope, rules)| rule(named(scope), rules))
            .collect::<Result<_, _>>()?;
        Ok(Policy {
            host: host_rule,
            within,
        })
    }
}

fn rule(entry: String, rules: &Value) -> Result<Rule, String> {
    let rules = rules.as_array().filter(|rules| !rules.is_empty());
    let Some(rules) = rules else {
        return Err(format!("has no list of requirements at {entry}"));
    };
    let mut demand = Demand::Nothing;
    for one in rules {
        match one["type"].as_str() {
            Some("insecureAcceptAnything") => {}
            Some("reject") => demand = Demand::Rejected,
            Some("signedBy" | "signedBaseLayer" | "sigstoreSigned") => {
                if demand == Demand::Nothing {
                    demand = Demand::Signature;
                }
            }
            _ => return Err(format!("has a requirement of unknown type at {entry}")),
        }
    }
    Ok(Rule { entry, demand })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ANY: &str = r#"[{"type":"insecureAcceptAnything"}]"#;
    const NO: &str = r#"[{"type":"reject"}]"#;

    #[rstest]
    #[case::any(r#"{"default":ANY}"#, "default", Demand::Nothing)]
    #[case::reject(r#"{"default":NO}"#, "default", Demand::Rejected)]
    #[case::host_wins(
        r#"{"default":NO,"transports":{"docker":{"r.example.com:5000":ANY,"":NO}}}"#,
        "transports.docker.\"r.example.com:5000\"",
        Demand::Nothing
    )]
    #[case::the_port_counts(
        r#"{"default":ANY,"transports":{"docker":{"r.example.com":NO}}}"#,
        "default",
        Demand::Nothing
    )]
    #[case::longest_domain(
        r#"{"default":NO,"transports":{"docker":{"*.com":NO,"*.example.com":ANY}}}"#,
        "transports.docker.\"*.example.com\"",
        Demand::Nothing
    )]
    #[case::all_of_docker(
        r#"{"default":ANY,"transports":{"docker":{"":NO}}}"#,
        "transports.docker.\"\"",
        Demand::Rejected
    )]
    #[case::another_transport(
        r#"{"default":ANY,"transports":{"docker-daemon":{"":NO}}}"#,
        "default",
        Demand::Nothing
    )]
    #[case::signed(
        r#"{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}]}"#,
        "default",
        Demand::Signature
    )]
    fn the_closest_entry_decides(#[case] text: &str, #[case] entry: &str, #[case] demand: Demand) {
        let text = text.replace("ANY", ANY).replace("NO", NO);
        let policy = Policy::read(text.as_bytes(), "r.example.com:5000").unwrap();
        let entry = entry.to_owned();
        assert_eq!(policy.host, Rule { entry, demand });
    }

    #[rstest]
    #[case::cut("{", "is not valid JSON")]
    #[case::without_default("{}", "has no `default`")]
    #[case::empty(r#"{"default":[]}"#, "no list of requirements at default")]
    #[case::unknown(r#"{"default":[{"type":"yes"}]}"#, "unknown type at default")]
    fn a_broken_policy_says_what_is_wrong(#[case] text: &str, #[case] said: &str) {
        let error = Policy::read(text.as_bytes(), "h:1").unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
