//! Whether a NetworkPolicy lets nodes in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::proxy::within;

/// Whether a NetworkPolicy that chooses the registry's Pods lets in what comes from these
/// addresses to `port` (of the Pod). Nodes are in no Pod and so match no `podSelector` or
/// `namespaceSelector`: only a rule without `from`, or an `ipBlock`, lets them in.
#[must_use]
pub fn admits_nodes(policy: &Value, nodes: &[IpAddr], port: u16) -> bool {
    let spec = &policy["spec"];
    let types = spec["policyTypes"].as_array();
    if types.is_some_and(|types| !types.iter().any(|one| one == "Ingress")) {
        return true;
    }
    let rules = spec["ingress"].as_array().map_or(&[][..], Vec::as_slice);
    nodes
        .iter()
        .all(|node| rules.iter().any(|rule| lets_in(rule, *node, port)))
}

/// Whether a `podSelector` chooses a Pod with these labels; an empty one chooses all.
#[must_use]
pub fn chooses(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector["matchLabels"].as_object().is_none_or(|wanted| {
        wanted
            .iter()
            .all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
    });
    let by_rule = |rule: &Value| {
        let has = rule["key"].as_str().and_then(|key| labels.get(key));
        let listed = rule["values"]
            .as_array()
            .is_some_and(|values| has.is_some_and(|has| values.iter().any(|one| one == has)));
        match rule["operator"].as_str() {
            Some("In") => listed,
            Some("NotIn") => !listed,
            Some("Exists") => has.is_some(),
            Some("DoesNotExist") => has.is_none(),
            _ => false,
        }
    };
    equal
        && selector["matchExpressions"]
            .as_array()
            .is_none_or(|rules| rules.iter().all(by_rule))
}

fn lets_in(rule: &Value, node: IpAddr, port: u16) -> bool {
    let ports = rule["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let by_port = ports.is_empty() || ports.iter().any(|one| is_port(one, port));
    let from = rule["from"].as_array().map_or(&[][..], Vec::as_slice);
    let by_source = from.is_empty() || from.iter().any(|one| is_block(&one["ipBlock"], node));
    by_port && by_source
}

fn is_port(one: &Value, port: u16) -> bool {
    if one["protocol"].as_str().unwrap_or("TCP") != "TCP" {
        return false;
    }
    match (&one["port"], &one["endPort"]) {
        (Value::Null, _) => true,
        // A name: kreg's Pods call theirs `https`.
        (Value::String(name), _) => name == "https",
        (first, Value::Null) => first == port,
        (first, last) => {
            let number = |value: &Value| value.as_u64().unwrap_or_default();
            (number(first)..=number(last)).contains(&u64::from(port))
        }
    }
}

fn is_block(block: &Value, node: IpAddr) -> bool {
    let holds = |cidr: &Value| {
        let Some((network, bits)) = cidr.as_str().and_then(|cidr| cidr.split_once('/')) else {
            return false;
        };
        match (network.parse(), bits.parse()) {
            (Ok(network), Ok(bits)) => within(node, network, bits),
            _ => false,
        }
    };
    let except = block["except"].as_array().map_or(&[][..], Vec::as_slice);
    holds(&block["cidr"]) && !except.iter().any(holds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn admits(ingress: Value) -> bool {
        let nodes = ["172.18.0.2".parse().unwrap(), "172.18.0.3".parse().unwrap()];
        let policy = json!({ "spec": { "podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress } });
        admits_nodes(&policy, &nodes, 5000)
    }

    #[test]
    fn only_rules_for_everybody_or_for_addresses_let_nodes_in() {
        assert!(!admits(json!([])));
        assert!(!admits(
            json!([{ "from": [{ "podSelector": {} }, { "namespaceSelector": {} }] }])
        ));
        assert!(!admits(json!([{ "ports": [{ "port": 443 }] }])));
        assert!(!admits(
            json!([{ "ports": [{ "port": 5000, "protocol": "UDP" }] }])
        ));
        assert!(!admits(
            json!([{ "from": [{ "ipBlock": { "cidr": "172.18.0.2/32" } }] }])
        ));
        assert!(!admits(
            json!([{ "from": [{ "ipBlock": { "cidr": "0.0.0.0/0", "except": ["172.18.0.0/16"] } }] }])
        ));
        assert!(admits(json!([{}])));
        assert!(admits(json!([{ "ports": [{ "port": 5000 }] }])));
        assert!(admits(
            json!([{ "ports": [{ "port": 4000, "endPort": 6000 }] }])
        ));
        assert!(admits(
            json!([{ "from": [{ "ipBlock": { "cidr": "172.18.0.0/16" } }], "ports": [{ "port": "https" }] }])
        ));
    }

    #[test]
    fn pods_are_chosen_by_labels_and_by_rules() {
        let labels = BTreeMap::from([("app".to_owned(), "registry".to_owned())]);
        let rule = |operator: &str, value: &str| json!({ "matchExpressions": [{ "key": "app", "operator": operator, "values": [value] }] });
        for (selector, chosen) in [
            (json!({}), true),
            (json!({ "matchLabels": { "app": "registry" } }), true),
            (json!({ "matchLabels": { "app": "other" } }), false),
            (json!({ "matchLabels": { "more": "registry" } }), false),
            (rule("In", "registry"), true),
            (rule("In", "other"), false),
            (rule("NotIn", "registry"), false),
            (rule("NotIn", "other"), true),
            (rule("Exists", ""), true),
            (rule("DoesNotExist", ""), false),
        ] {
            assert_eq!(chooses(&selector, &labels), chosen, "{selector}");
        }
    }

    #[test]
    fn a_policy_for_what_goes_out_is_none_for_what_comes_in() {
        let policy = json!({ "spec": { "policyTypes": ["Egress"] } });
        assert!(admits_nodes(&policy, &["10.0.0.1".parse().unwrap()], 5000));
    }
}
