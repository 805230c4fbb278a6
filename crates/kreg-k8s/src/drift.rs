//! What somebody changed by hand since the last apply: which field, who, and when.

use std::fmt;

use serde::Serialize;

use crate::{
    change::Action,
    cluster::Cluster,
    diff::FieldDiff,
    error::{Error, ForeignObject},
    managed_fields::{Edit, blame},
    manifests::Manifests,
    names::ANNOTATION_TLS,
    object_ref::ObjectRef,
    plan::{ApplyOptions, plan},
    spec::RegistrySpec,
    state::RegistryState,
};

/// One way in which the cluster is no longer as the last apply left it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "drift", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Drift {
    /// The object is gone.
    Missing {
        /// Which.
        object: ObjectRef,
    },
    /// A field has another value; before is what is there, after is what the next apply makes of it.
    Field {
        /// Where.
        object: ObjectRef,
        /// Which, and both values; those of Secrets are masked.
        #[serde(flatten)]
        field: Box<FieldDiff>,
        /// Who. `None` for a field that was taken away: the server keeps no trace of that.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Edit>,
    },
    /// An object of the same name that is not this instance's, or lost the labels that say so.
    Foreign {
        /// Which, and whose it seems to be.
        #[serde(flatten)]
        object: ForeignObject,
    },
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Drift::Missing { object } => write!(f, "{object} is gone"),
            Drift::Foreign { object } => write!(f, "{} is {}", object.object, object.owner),
            Drift::Field { object, field, by } => {
                let (now, then) = field.shown();
                write!(f, "{object} {}: {now}, should be {then}, by ", field.path)?;
                match by {
                    None => f.write_str("a hand that left no trace"),
                    Some(Edit {
                        manager,
                        time: None,
                        ..
                    }) => f.write_str(manager),
                    Some(Edit {
                        manager,
                        time: Some(time),
                        ..
                    }) => write!(f, "{manager} at {time}"),
                }
            }
        }
    }
}

/// Compares what is there with what the last apply declared, keys and passwords being those that are there. Writes
/// nothing.
///
/// `spec` should be [`RegistrySpec::recalled`]. What somebody added by hand beside kreg's own fields is drift, and `after`
/// is `None` for it. Labels and annotations of others are none (`kubectl rollout restart` writes one into the Pod
/// template), nor is what another tool declares by server-side apply, or what controllers write.
///
/// # Errors
/// Those of [`plan`] except [`Error::Foreign`], which is drift.
pub async fn drift(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    state: &RegistryState,
) -> Result<Vec<Drift>, Error> {
    let spec = spec.clone().with_cluster_ip(state.cluster_ip);
    let manifests = Manifests::full(&spec, &state.material());
    // Forced, so that a tool which claims a field shows as drift like anybody else. It is only asked, not done.
    let options = ApplyOptions {
        adopt: false,
        force: true,
    };
    let mut found = Vec::new();
    let planned = plan(cluster, &manifests, options).await;
    let plan = match planned {
        // The rest may have drifted as well.
        Err(Error::Foreign { objects }) => {
            let rest = manifests.without(&objects);
            found.extend(objects.into_iter().map(|object| Drift::Foreign { object }));
            plan(cluster, &rest, options).await
        }
        other => other,
    }?;
    for change in plan.changes() {
        let fields = match &change.action {
            Action::Create => {
                found.push(Drift::Missing {
                    object: change.object.clone(),
                });
                continue;
            }
            Action::Update { fields } | Action::Replace { fields, .. } => fields,
            Action::Unchanged | Action::Delete => continue,
        };
        let Some(live) = cluster.get(&change.object).await? else {
            continue;
        };
        for field in fields {
            // Without the certificate its checksum cannot be known; the missing Secret is reported anyway.
            if state.tls_chain_pem.is_none() && field.path.contains(ANNOTATION_TLS) {
                continue;
            }
            found.push(Drift::Field {
                object: change.object.clone(),
                by: blame(&live, &field.path),
                field: Box::new(field.clone()),
            });
        }
    }
    Ok(found)
}
