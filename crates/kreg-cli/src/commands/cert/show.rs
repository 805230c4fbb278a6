//! `kreg cert show`: what the cluster holds, and what the registry serves.

use kreg::certificates::{Shown, Whereabouts};
use kreg_pki::View;

use crate::args::TargetArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::Session;

pub(super) async fn run(app: &App, target: &TargetArgs) -> Result<Ending, Error> {
    let session = Session::open(app, target, true).await?;
    let certificates = super::certificates(app, &session, None)?;
    let shown = certificates.show(&session.on).await?;
    output::print(app.global.output, "Certificates", &shown, text)?;
    Ok(if shown.served_is_stored {
        Ending::Done
    } else {
        Ending::Pending
    })
}

fn text(shown: &Shown) -> String {
    let mut parts = Vec::new();
    if shown.served_is_stored {
        let title = "registry's certificate, held and served";
        parts.extend(chain(title, &shown.stored));
    } else {
        let title = "registry's certificate, held by the cluster";
        parts.extend(chain(title, &shown.stored));
        parts.extend(chain("registry's certificate, as served", &shown.served));
        let words = if shown.served.is_empty() {
            "what the registry serves is not known"
        } else {
            "the registry serves another certificate than the cluster holds: `kreg up` restarts it"
        };
        parts.push(words.to_owned());
    }
    let all = shown.trusted.len();
    let trusted = shown.trusted.iter().enumerate();
    parts.extend(trusted.map(|(index, view)| format!("trusted, {} of {all}\n{view}", index + 1)));
    let place = match shown.ca_key {
        Whereabouts::InCluster => "in the cluster, in a Secret that no Pod mounts",
        Whereabouts::Outside => {
            "outside the cluster: in the file given as --ca-key, or where the certificate was issued"
        }
        _ => "there is no CA; the certificate vouches for itself",
    };
    parts.push(format!("CA's private key: {place}"));
    if shown.rotating {
        parts.push("a new CA is on its way: `kreg cert renew --ca --finish` goes on".to_owned());
    }
    parts.join("\n\n")
}

/// Leaf first, then each link.
fn chain(title: &str, views: &[View]) -> impl Iterator<Item = String> {
    let link = |index| match index {
        0 => String::new(),
        more => format!(", link {}", more + 1),
    };
    let views = views.iter().enumerate();
    views.map(move |(index, view)| format!("{title}{}\n{view}", link(index)))
}
