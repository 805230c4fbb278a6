//! `kreg cert lint`: what the cluster holds and the registry serves, or files alone.

use std::collections::BTreeSet;
use std::path::Path;

use kreg_auth::{ExposeSecret as _, SecretString};
use kreg_pki::lint::{Client, Finding, Lint, Severity};
use kreg_pki::{Authority, Certificate, San};
use serde::Serialize;
use time::OffsetDateTime;

use super::args::LintArgs;
use crate::app::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::{Session, count};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// What was looked at.
    looked_at: Vec<String>,
    findings: Vec<Row>,
    errors: usize,
    warnings: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// `held by the cluster`, `served`, or `files`.
    source: String,
    severity: Severity,
    code: String,
    subject: String,
    message: String,
    remedy: String,
    /// TLS clients that refuse the registry for it.
    refused_by: BTreeSet<Client>,
}

pub(super) async fn run(app: &App, args: &LintArgs) -> Result<Ending, Error> {
    let endpoints = endpoints(&args.endpoints)?;
    let now = OffsetDateTime::now_utc();
    let (looked_at, mut findings) = match (&args.cert, &args.ca) {
        (Some(cert), Some(ca)) => files(cert, args.key.as_deref(), ca, &endpoints, now)?,
        _ => cluster(app, args, endpoints, now).await?,
    };
    findings.sort_by_key(|row| row.severity);
    let errors = findings
        .iter()
        .filter(|row| row.severity == Severity::Error)
        .count();
    let outcome = Outcome {
        looked_at,
        warnings: findings.len() - errors,
        errors,
        findings,
    };
    output::print(app.global.output, "Lint", &outcome, text)?;
    match outcome.errors {
        0 => Ok(Ending::Done),
        errors => {
            Err(Error::failed(format!("the certificates have {}", count(errors, "error"))).told())
        }
    }
}

fn endpoints(words: &[String]) -> Result<Vec<San>, Error> {
    words
        .iter()
        .map(|word| {
            word.parse().map_err(|cause| {
                Error::usage(format!("--endpoint `{word}` is no name or address")).because(&cause)
            })
        })
        .collect()
}

fn files(
    cert: &Path,
    key: Option<&Path>,
    ca: &Path,
    endpoints: &[San],
    now: OffsetDateTime,
) -> Result<(Vec<String>, Vec<Row>), Error> {
    let (chain, trust) = (read(cert)?, read(ca)?);
    let lint = Lint::new(&chain, &trust, now).endpoints(endpoints.iter().cloned());
    let mut looked_at = vec![cert.display().to_string(), ca.display().to_string()];
    let Some(path) = key else {
        return Ok((looked_at, rows("files", lint.run())));
    };
    looked_at.push(path.display().to_string());
    let text = String::from_utf8(read(path)?).map_err(|_| {
        Error::usage(format!("the key file {} is not text", path.display()))
            .help("give the private key as PEM")
    })?;
    let secret = SecretString::from(text);
    let mut found = rows("files", lint.key(&secret).run());
    found.extend(open_to_others(path));
    Ok((looked_at, found))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|cause| Error::usage(format!("cannot read {}", path.display())).because(&cause))
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<Row> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| Row {
        source: "files".to_owned(),
        severity: Severity::Warning,
        code: "key-file-open".to_owned(),
        subject: path.display().to_string(),
        message: format!("others than its owner may read or change the key (mode {mode:o})"),
        remedy: "chmod 600 it; if others were on this machine, replace the key".to_owned(),
        refused_by: BTreeSet::new(),
    })
}

#[cfg(not(unix))]
fn open_to_others(_path: &Path) -> Option<Row> {
    None
}

async fn cluster(
    app: &App,
    args: &LintArgs,
    mut endpoints: Vec<San>,
    now: OffsetDateTime,
) -> Result<(Vec<String>, Vec<Row>), Error> {
    let session = Session::open(app, &args.target, true).await?;
    let state = session.existing().await?;
    let (Some(chain), Some(bundle)) = (&state.tls_chain_pem, &state.ca_bundle_pem) else {
        let name = session.registry.place().instance().to_owned();
        return Err(kreg::Error::from(kreg::NotUp::Certificate(name)).into());
    };
    let certificates = super::certificates(app, &session, None)?;
    if endpoints.is_empty() {
        endpoints = certificates.required(&state)?;
    }
    let look = |pem: &str| {
        Lint::new(pem.as_bytes(), bundle.as_bytes(), now)
            .endpoints(endpoints.clone())
            .run()
    };
    const HELD: &str = "held by the cluster";
    let mut looked_at = vec![format!(
        "{} as held by the cluster",
        session.registry.place().registry_name()
    )];
    let mut found = match &state.tls_key_pem {
        Some(key) => rows(
            HELD,
            Lint::new(chain.as_bytes(), bundle.as_bytes(), now)
                .endpoints(endpoints.clone())
                .key(key)
                .run(),
        ),
        None => rows(HELD, look(chain)),
    };
    if let Some(key) = &state.ca_key_pem
        && let Err(cause) = Authority::from_pem(bundle, key.expose_secret())
    {
        found.push(Row {
            source: HELD.to_owned(),
            severity: Severity::Error,
            code: "ca-key".to_owned(),
            subject: "the CA's private key".to_owned(),
            message: cause.to_string(),
            remedy: "restore the CA's Secret: without the right key nothing can be renewed"
                .to_owned(),
            refused_by: BTreeSet::new(),
        });
    }
    match certificates.served(bundle).await {
        Ok(seen) => {
            looked_at.push("the same as served".to_owned());
            let held = Certificate::all_from_pem(chain, "the registry's certificate").ok();
            if held.and_then(|held| held.into_iter().next()).as_ref() != seen.chain.first() {
                let pem: String = seen.chain.iter().map(Certificate::to_pem).collect();
                found.extend(rows("served", look(&pem)));
                found.push(Row {
                    source: "served".to_owned(),
                    severity: Severity::Warning,
                    code: "not-the-one-held".to_owned(),
                    subject: seen
                        .chain
                        .first()
                        .map(|leaf| leaf.subject().to_owned())
                        .unwrap_or_default(),
                    message: "the registry serves another certificate than the cluster holds"
                        .to_owned(),
                    remedy: "run `kreg up`, which restarts it".to_owned(),
                    refused_by: BTreeSet::new(),
                });
            }
        }
        Err(error) => app.progress.note(format!(
            "what the registry serves was not looked at: {error}"
        )),
    }
    Ok((looked_at, found))
}

fn rows(source: &str, findings: Vec<Finding>) -> Vec<Row> {
    findings
        .into_iter()
        .map(|finding| Row {
            source: source.to_owned(),
            severity: finding.severity,
            code: finding.code.to_string(),
            subject: finding.subject,
            message: finding.message,
            remedy: finding.remedy.to_owned(),
            refused_by: finding.refused_by,
        })
        .collect()
}

fn text(outcome: &Outcome) -> String {
    let mut parts: Vec<String> = outcome
        .findings
        .iter()
        .map(|row| {
            let mut text = format!(
                "{} {} ({}): {}: {}",
                output::word(&row.severity),
                row.code,
                row.source,
                row.subject,
                row.message
            );
            if !row.refused_by.is_empty() {
                let names: Vec<_> = row.refused_by.iter().map(Client::to_string).collect();
                text.push_str(&format!("\n  refused by {}", names.join(", ")));
            }
            text.push_str(&format!("\n  remedy: {}", row.remedy));
            text
        })
        .collect();
    parts.push(format!(
        "{}, {} in {}",
        count(outcome.errors, "error"),
        count(outcome.warnings, "warning"),
        outcome.looked_at.join(", ")
    ));
    parts.join("\n")
}
