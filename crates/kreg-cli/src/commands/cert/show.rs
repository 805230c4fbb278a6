//! `kreg cert show`: what the cluster holds, and what the registry serves.

use std::fmt;

use kreg::NotUp;
use kreg::certificates::Whereabouts;
use kreg_pki::{Certificate, TrustBundle};
use serde::Serialize;
use time::OffsetDateTime;

use super::view::View;
use crate::args::TargetArgs;
use crate::context::App;
use crate::error::{Ending, Error, Tried as _};
use crate::output;
use crate::session::Session;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    registry: String,
    namespace: String,
    /// The chain that the cluster holds for the registry, leaf first.
    stored: Vec<View>,
    /// The chain that the registry shows, leaf first; empty if it cannot be reached.
    served: Vec<View>,
    /// Why it cannot be reached, or what rustls has against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    served_problem: Option<String>,
    /// Whether the two leaves are one.
    served_is_stored: bool,
    /// What clients are told to trust.
    trusted: Vec<View>,
    ca_key: KeyPlace,
    /// Whether a second CA is there, with a rotation not yet at its end.
    rotating: bool,
}

/// Where the CA's private key is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum KeyPlace {
    InCluster,
    Outside,
    None,
}

impl From<Whereabouts> for KeyPlace {
    fn from(whereabouts: Whereabouts) -> Self {
        match whereabouts {
            Whereabouts::InCluster => Self::InCluster,
            Whereabouts::Outside => Self::Outside,
            _ => Self::None,
        }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InCluster => "in the cluster, in a Secret that no Pod mounts",
            Self::Outside => "outside the cluster, in the file given as --ca-key",
            Self::None => "there is no CA; the certificate vouches for itself",
        })
    }
}

pub(super) async fn run(app: &App, target: &TargetArgs) -> Result<Ending, Error> {
    let session = Session::open(app, target, true).await?;
    let state = session.existing().await?;
    let (Some(chain), Some(bundle)) = (&state.tls_chain_pem, &state.ca_bundle_pem) else {
        let name = session.registry.place().instance().to_owned();
        return Err(kreg::Error::from(NotUp::Certificate(name)).into());
    };
    let stored = Certificate::all_from_pem(chain, "the registry's certificate")
        .tried("cannot read the certificate that the cluster holds")?;
    let trusted = TrustBundle::from_pem(bundle, "the CA bundle")
        .tried("cannot read the CA bundle that the cluster holds")?;
    let certificates = super::certificates(app, &session, None)?;
    let step = app.progress.step("the registry by TLS");
    let (served, problem) = match certificates.served(bundle).await {
        Ok(seen) => (seen.chain, seen.problem.map(|fault| fault.to_string())),
        Err(error) => (Vec::new(), Some(Error::from(error).line())),
    };
    match &problem {
        None => step.done(""),
        Some(problem) => step.failed(problem),
    }
    let now = OffsetDateTime::now_utc();
    let shown = Shown {
        registry: session.registry.place().registry_name(),
        namespace: session.registry.place().namespace().to_owned(),
        served_is_stored: served.first() == stored.first(),
        stored: View::all(&stored, now),
        served: View::all(&served, now),
        served_problem: problem,
        trusted: View::all(trusted.certificates(), now),
        ca_key: certificates.whereabouts(&state).into(),
        rotating: certificates.is_rotating().await?,
    };
    output::print(app.global.output, "Certificates", &shown, text)?;
    Ok(match shown.served_is_stored {
        true => Ending::Done,
        false => Ending::Pending,
    })
}

fn text(shown: &Shown) -> String {
    let mut parts = Vec::new();
    let titled = |title: &str, views: &[View], parts: &mut Vec<String>| {
        for (index, view) in views.iter().enumerate() {
            parts.push(view.text(&match index {
                0 => title.to_owned(),
                more => format!("{title}, link {}", more + 1),
            }));
        }
    };
    let title = match shown.served_is_stored {
        true => "registry's certificate, held and served",
        false => "registry's certificate, held by the cluster",
    };
    titled(title, &shown.stored, &mut parts);
    if !shown.served_is_stored {
        titled(
            "registry's certificate, as served",
            &shown.served,
            &mut parts,
        );
        parts.push(match shown.served.is_empty() {
            true => "what the registry serves is not known".to_owned(),
            false => "the registry serves another certificate than the cluster holds: `kreg up` \
                      restarts it"
                .to_owned(),
        });
    }
    for (index, view) in shown.trusted.iter().enumerate() {
        parts.push(view.text(&format!(
            "trusted, {} of {}",
            index + 1,
            shown.trusted.len()
        )));
    }
    parts.push(format!("CA's private key: {}", shown.ca_key));
    if shown.rotating {
        parts.push("a new CA is on its way: `kreg cert renew --ca --finish` goes on".to_owned());
    }
    parts.join("\n\n")
}
