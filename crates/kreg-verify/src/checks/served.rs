//! The chain as served, beside what is kept of it: in the cluster, on the nodes, and in time.

use futures::future::BoxFuture;
use kreg_pki::lint::Client;
use kreg_pki::{Certificate, Error, TrustBundle, readers};
use time::OffsetDateTime;

use crate::check::{Check, Context, Outcome};
use crate::remedy::Remedy;
use kreg_registry::{ConnectError, ServedChain, roots_of_pem, served_chain};

/// The registry serves the certificate that is stored for it. A registry reads its certificate once,
/// at its start: one that was replaced and not restarted serves the old one until that ends.
#[derive(Clone, Debug)]
pub struct Stored {
    chain_pem: String,
}

/// Neither what is served nor the CA behind it ends soon.
#[derive(Clone, Copy, Debug)]
pub struct Expiry;

/// What a node's runtime trusts for the registry vouches for what the registry serves.
#[derive(Clone, Debug)]
pub struct NodeCa {
    trust: NodeTrust,
}

/// What lies on a node for its runtime to trust, as somebody read it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTrust {
    /// The node's name.
    pub node: String,
    /// Path and content of each CA file that the runtime reads, or why they could not be read. One that is missing beside
    /// others is empty; there is none if all are missing.
    pub files: Result<Vec<(String, Vec<u8>)>, String>,
}

/// A certificate with fewer days than this fails the check.
const DAYS: i64 = 7;

impl Stored {
    /// The check against this chain, leaf first, as the registry's Secret holds it.
    #[must_use]
    pub fn new(chain_pem: impl Into<String>) -> Stored {
        Stored {
            chain_pem: chain_pem.into(),
        }
    }
}

impl Check for Stored {
    fn name(&self) -> &str {
        "stored"
    }

    fn title(&self) -> String {
        "the certificate as served is the one that is stored".to_owned()
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let stored = match Certificate::all_from_pem(&self.chain_pem, "the stored chain") {
                Ok(stored) => stored,
                Err(error) => return Outcome::failed_by(&error),
            };
            match served(context, &context.target.ca_pem).await {
                Ok((chain, _)) => same(&chain, &stored),
                Err(outcome) => outcome,
            }
        })
    }
}

fn same(served: &[Certificate], stored: &[Certificate]) -> Outcome {
    let prints = |chain: &[Certificate]| {
        let prints: Vec<_> = chain
            .iter()
            .map(|one| one.fingerprint().to_owned())
            .collect();
        prints
    };
    let (is, should) = (prints(served), prints(stored));
    let outcome = match (is.first(), should.first()) {
        (Some(leaf), _) if is == should => {
            return Outcome::pass(format!("sha256 {}", short(leaf)));
        }
        (Some(leaf), Some(wanted)) if leaf == wanted => Outcome::fail(
            "the leaf is the stored one, but the certificates sent with it are not; restart the registry",
        ),
        (Some(_), Some(_)) => Outcome::fail(
            "the registry serves another certificate than is stored: it was not restarted since that was changed",
        )
        .repaired_by(Remedy::ApplyOrRestart),
        (None, _) => Outcome::fail("the registry served no certificate that can be read"),
        (_, None) => Outcome::fail("nothing is stored").repaired_by(Remedy::IssueLeaf),
    };
    outcome
        .with("served", is.join(", "))
        .with("stored", should.join(", "))
}

impl Check for Expiry {
    fn name(&self) -> &str {
        "expiry"
    }

    fn title(&self) -> String {
        format!("no certificate ends within {DAYS} days")
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let trusted = match TrustBundle::from_pem(&context.target.ca_pem, "the CA bundle") {
                Ok(trusted) => trusted,
                Err(error) => return Outcome::failed_by(&error),
            };
            match served(context, &context.target.ca_pem).await {
                Ok((chain, _)) => outlook(&chain, &trusted, OffsetDateTime::now_utc()),
                Err(outcome) => outcome,
            }
        })
    }
}

/// The one that ends first decides. One whose renewal is due passes, and the message says so.
fn outlook(chain: &[Certificate], trusted: &TrustBundle, now: OffsetDateTime) -> Outcome {
    // The CA first: where both end together, it is the CA that must be renewed.
    let all: Vec<&Certificate> = trusted.issuers_of(chain).chain(chain).collect();
    let Some(first) = all.iter().min_by_key(|one| one.not_after()) else {
        return Outcome::fail("the registry served no certificate that can be read");
    };
    let days = (first.not_after() - now).whole_days();
    let (what, renew) = if first.is_ca() {
        ("the CA", Remedy::RenewCa)
    } else {
        ("the leaf", Remedy::RenewLeaf)
    };
    let mut outcome = match days {
        DAYS.. if first.needs_renewal(now, first.renewal_threshold()) => Outcome::pass(format!(
            "{what} ends first, in {days} days; its renewal is due"
        ))
        .repaired_by(renew),
        DAYS.. => Outcome::pass(format!("{what} ends first, in {days} days")),
        _ => Outcome::fail(format!("{what} ends in {days} days")).repaired_by(renew),
    };
    for one in all {
        outcome = outcome.with(
            "ends",
            format!("{} on {}", one.subject(), one.not_after().date()),
        );
    }
    outcome
}

impl NodeCa {
    /// The name of this kind of check.
    pub const NAME: &'static str = "node-ca";

    /// The check of what was read on a node.
    #[must_use]
    pub fn new(trust: NodeTrust) -> NodeCa {
        NodeCa { trust }
    }
}

impl Check for NodeCa {
    fn name(&self) -> &str {
        NodeCa::NAME
    }

    fn title(&self) -> String {
        format!("what {} trusts vouches for what is served", self.trust.node)
    }

    fn node(&self) -> Option<&str> {
        Some(&self.trust.node)
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let files = match &self.trust.files {
                Ok(files) if !files.is_empty() => files,
                Ok(_) => {
                    return Outcome::fail("nothing on this node vouches for the registry")
                        .repaired_by(Remedy::Trust);
                }
                Err(why) => return Outcome::fail(format!("the node could not be read: {why}")),
            };
            let mut outcome = Outcome::pass("");
            for (path, pem) in files {
                let one = by_file(context, path, pem).await;
                if one.status != crate::Status::Pass {
                    return one;
                }
                outcome.message = one.message;
                outcome.evidence.extend(one.evidence);
            }
            outcome
        })
    }
}

/// Shakes hands as a client does that trusts what the node's runtime reads of this file, and nothing
/// else.
async fn by_file(context: &Context, path: &str, pem: &[u8]) -> Outcome {
    let held = match as_read(path, pem) {
        Ok(held) => held,
        Err(outcome) => return outcome,
    };
    let wanted = match TrustBundle::from_pem(&context.target.ca_pem, "the CA bundle") {
        Ok(wanted) => wanted,
        Err(error) => return Outcome::failed_by(&error),
    };
    let listed = format!("{path}: {}", names(&held));
    let (_, served) = match served(context, &held.to_pem()).await {
        Ok(served) => served,
        Err(outcome) => return outcome,
    };
    if let Err(fault) = served.verified {
        let error = ConnectError::tls(&context.target.host, fault);
        return Outcome::fail(format!(
            "{path} does not vouch for what the registry serves ({})",
            crate::causes::with_causes(&error)
        ))
        .repaired_by(Remedy::Trust)
        .with("trusted on the node", listed);
    }
    let missing = wanted.difference(&held);
    if !missing.is_empty() {
        return Outcome::fail(format!(
            "{path} vouches for what is served today, but lacks {}, which is about to be used{}",
            names(&missing),
            in_brackets(pem)
        ))
        .repaired_by(Remedy::Trust)
        .with("trusted on the node", listed);
    }
    let soon = held.certificates().iter().map(Certificate::not_after).min();
    let ends = soon.map_or(String::new(), |end| format!(", until {}", end.date()));
    Outcome::pass(format!("verified with {path}{ends}")).with("trusted on the node", listed)
}

/// What the node's runtime trusts of the file. Every runtime is written in Go, and reads less than
/// kreg does.
fn as_read(path: &str, pem: &[u8]) -> Result<TrustBundle, Outcome> {
    if pem.is_empty() {
        return Err(Outcome::fail(format!(
            "{path}, which the node's container runtime reads, is missing or empty: containerd fails every pull of the \
             registry for it"
        ))
        .repaired_by(Remedy::Trust));
    }
    if let Err(error @ Error::PrivateKeyInBundle { .. }) = TrustBundle::from_pem(pem, path) {
        return Err(Outcome::failed_by(&error));
    }
    readers::bundle(pem, Client::Go)
        .map(TrustBundle::new)
        .map_err(|_| {
            Outcome::fail(format!(
                "the node's container runtime finds no certificate in {path}{}: containerd fails every pull \
                 of the registry for it, others take it for no file at all",
                in_brackets(pem)
            ))
            .repaired_by(Remedy::Trust)
        })
}

/// What is odd about a file's form, if anything.
fn in_brackets(pem: &[u8]) -> String {
    let odd: Vec<_> = readers::oddities(pem)
        .iter()
        .map(ToString::to_string)
        .collect();
    match odd.is_empty() {
        true => String::new(),
        false => format!(" ({})", odd.join(", ")),
    }
}

fn names(bundle: &TrustBundle) -> String {
    let names: Vec<_> = bundle
        .certificates()
        .iter()
        .map(|one| format!("{} ({})", one.subject(), short(one.fingerprint())))
        .collect();
    names.join(", ")
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}

/// What the registry shows to a client that trusts `pem`.
async fn served(context: &Context, pem: &str) -> Result<(Vec<Certificate>, ServedChain), Outcome> {
    let roots = roots_of_pem(pem).map_err(|error| Outcome::failed_by(&error))?;
    let served = served_chain(context.dial.as_ref(), &context.target.host, roots)
        .await
        .map_err(|error| Outcome::failed_by(&error))?;
    let chain = served
        .certificates
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    Ok((chain, served))
}

#[cfg(test)]
mod tests {
    use kreg_pki::{Authority, AuthorityRequest, ExposeSecret as _, Issuer, LeafRequest};

    use super::*;
    use crate::check::Status;

    fn leaf(authority: &Authority, days: u32) -> Certificate {
        let request = LeafRequest::new("r").sans(["r".parse().unwrap()]);
        let leaf = authority.issue(&request.validity_days(days)).unwrap();
        leaf.certificate().clone()
    }

    #[test]
    fn what_is_served_must_be_what_is_stored() {
        let authority = Authority::generate(&AuthorityRequest::new("a")).unwrap();
        let (old, new) = (leaf(&authority, 90), leaf(&authority, 90));
        let with_ca = [old.clone(), authority.certificate().clone()];
        let (old, new) = ([old], [new]);
        assert_eq!(same(&old, &old).status, Status::Pass);
        let outcome = same(&old, &new);
        assert!(outcome.message.contains("not restarted"), "{outcome:?}");
        assert_eq!(outcome.evidence.len(), 2);
        let outcome = same(&old, &with_ca);
        assert!(outcome.message.contains("sent with it"), "{outcome:?}");
        assert_eq!(same(&[], &old).status, Status::Fail);
        assert_eq!(same(&old, &[]).status, Status::Fail);
    }

    /// kreg reads each of them, containerd none: it says "unable to load CA cert".
    #[test]
    fn a_file_on_a_node_is_read_as_its_runtime_reads_it() {
        let authority = Authority::generate(&AuthorityRequest::new("a")).unwrap();
        let pem = authority.certificate_pem();
        let indented: String = pem.lines().map(|line| format!("  {line}\n")).collect();
        for (text, words) in [
            (
                format!("\u{feff}{pem}"),
                "ca.crt (line 1: a byte order mark",
            ),
            (
                format!("ca.crt: |\n{indented}"),
                "ca.crt (line 2: the BEGIN line is indented",
            ),
            (
                pem.replace('\n', "\r"),
                "ca.crt (line 1: it ends with a carriage return",
            ),
            (
                pem.replacen('\n', "\nX: y\n\n", 1),
                "ca.crt (line 2: a header",
            ),
            (
                pem.replace("CERT", "TRUSTED CERT"),
                "ca.crt (line 1: a TRUSTED CERTIFICATE",
            ),
            (
                String::new(),
                "ca.crt, which the node's container runtime reads, is missing",
            ),
        ] {
            let outcome = as_read("ca.crt", text.as_bytes()).unwrap_err();
            assert_eq!(outcome.status, Status::Fail);
            assert_eq!(outcome.remedy, Some(Remedy::Trust));
            for part in [words, "containerd fails every pull"] {
                assert!(outcome.message.contains(part), "{outcome:?}");
            }
        }
        let other = Authority::generate(&AuthorityRequest::new("b")).unwrap();
        let half = format!("{pem}  {}", other.certificate_pem());
        let held = as_read("ca.crt", half.as_bytes()).unwrap();
        assert_eq!(held.certificates(), [authority.certificate().clone()]);
        let key = format!("{pem}{}", authority.key_pem().expose_secret());
        let outcome = as_read("ca.crt", key.as_bytes()).unwrap_err();
        assert!(outcome.message.contains("private key"), "{outcome:?}");
    }

    #[test]
    fn the_certificate_that_ends_first_decides() {
        let authority = Authority::generate(&AuthorityRequest::new("a")).unwrap();
        let other = Authority::generate(&AuthorityRequest::new("b")).unwrap();
        let trusted =
            TrustBundle::new([authority.certificate().clone(), other.certificate().clone()]);
        let now = OffsetDateTime::now_utc();
        let of = |days, now| outlook(&[leaf(&authority, days)], &trusted, now);
        let good = of(90, now);
        assert_eq!(good.status, Status::Pass, "{good:?}");
        assert!(good.message.starts_with("the leaf ends first"), "{good:?}");
        assert!(!good.message.contains("due"), "{good:?}");
        // The other CA signed nothing of it and does not count.
        assert_eq!(good.evidence.len(), 2);
        // In the last third of its life it still passes, and says so.
        let late = outlook(
            &[leaf(&authority, 90)],
            &trusted,
            now + time::Duration::days(61),
        );
        assert_eq!(late.status, Status::Pass, "{late:?}");
        assert_eq!(late.remedy, Some(Remedy::RenewLeaf), "{late:?}");
        let bad = of(5, now);
        assert!(bad.status == Status::Fail && bad.remedy == Some(Remedy::RenewLeaf));
        let ca = outlook(
            &[leaf(&authority, 9000)],
            &trusted,
            authority.certificate().not_after() - time::Duration::days(3),
        );
        assert!(
            ca.status == Status::Fail && ca.remedy == Some(Remedy::RenewCa),
            "{ca:?}"
        );
        assert_eq!(outlook(&[], &trusted, now).status, Status::Fail);
    }
}
