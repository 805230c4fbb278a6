//! `kreg cert lint`: what the cluster holds and the registry serves, or files alone.

use std::collections::BTreeSet;
use std::path::Path;

use kreg::certificates::Served;
use kreg_auth::SecretString;
use kreg_pki::San;
use kreg_pki::lint::{Client, Finding, Lint, Severity};
use serde::Serialize;
use time::OffsetDateTime;

use super::args::LintArgs;
use crate::context::App;
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
        _ => cluster(app, args, &endpoints, now).await?,
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
                Error::usage(format!("--endpoint `{word}` is not a name or address"))
                    .because(&cause)
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
    endpoints: &[San],
    now: OffsetDateTime,
) -> Result<(Vec<String>, Vec<Row>), Error> {
    let session = Session::open(app, &args.target, true).await?;
    let linted = super::certificates(app, &session, None)?
        .lint(endpoints, now)
        .await?;
    const HELD: &str = "held by the cluster";
    let registry = session.registry.place().registry_name();
    let mut looked_at = vec![format!("{registry} as held by the cluster")];
    let mut found = rows(HELD, linted.held);
    if let Some(cause) = linted.ca_key {
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
    match linted.served {
        Ok(served) => {
            looked_at.push("the same as served".to_owned());
            if let Served::Another { subject, findings } = served {
                found.extend(rows("served", findings));
                found.push(Row {
                    source: "served".to_owned(),
                    severity: Severity::Warning,
                    code: "not-the-one-held".to_owned(),
                    subject,
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
