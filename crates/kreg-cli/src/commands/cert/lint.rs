//! `kreg cert lint`: what the cluster holds and the registry serves, or files alone.

use kreg::certificates::NOT_THE_ONE_HELD;
use kreg_pki::lint::{self, Report};
use time::OffsetDateTime;

use super::args::LintArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::{Session, count};

pub(super) async fn run(app: &App, args: &LintArgs) -> Result<Ending, Error> {
    let now = OffsetDateTime::now_utc();
    let report = match (&args.cert, &args.ca) {
        (Some(cert), Some(ca)) => {
            let (key, endpoints) = (args.key.as_deref(), &args.endpoints);
            let judged = lint::files(cert, key, ca, endpoints, now);
            judged.map_err(|cause| Error::input(&cause))?
        }
        _ => cluster(app, args, now).await?,
    };
    output::print(app.global.output, "Lint", &report, Report::to_string)?;
    match report.errors {
        0 => Ok(Ending::Done),
        errors => {
            Err(Error::failed(format!("the certificates have {}", count(errors, "error"))).told())
        }
    }
}

async fn cluster(app: &App, args: &LintArgs, now: OffsetDateTime) -> Result<Report, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let certificates = super::certificates(app, &session, None)?;
    let mut linted = certificates.lint(&args.endpoints, now).await?;
    if let Some(error) = linted.unseen {
        app.progress.note(format!(
            "what the registry serves was not looked at: {error}"
        ));
    }
    for row in &mut linted.report.findings {
        if row.code == NOT_THE_ONE_HELD {
            row.remedy = "run `kreg up`, which restarts it";
        }
    }
    Ok(linted.report)
}
