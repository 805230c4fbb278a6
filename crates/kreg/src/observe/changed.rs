//! What was changed by hand.

use kreg_k8s::{Drift, Kind, RegistryState};
use kreg_verify::doctor::{ChangedObject, Observations};

use super::look::Look;
use super::unseen::Unseen;
use crate::status::Comparison;

/// Objects with fields that are not as the registry was put up. Secrets have rules of their own, and so has what is
/// gone.
pub(super) async fn changed(look: &mut Look<'_>, state: &RegistryState, seen: &mut Observations) {
    let found = match look.registry.comparison(state).await {
        Ok(Comparison::Drift(found)) => found,
        Ok(Comparison::Denied(message)) => return look.unseen.push(Unseen::DryRun(message)),
        Ok(Comparison::NoRecord | Comparison::NotDeclared) => return,
        Err(error) => return look.unseen.push(Unseen::Changes(Box::new(error))),
    };
    for one in found {
        let Drift::Field { object, field, by } = one else {
            continue;
        };
        if object.kind() == Kind::Secret {
            continue;
        }
        let path = field.path.trim_start_matches('.');
        let line = match by {
            Some(by) => {
                let time = by.time.map(|time| format!(" at {time}"));
                format!("{path}, by {}{}", by.manager, time.unwrap_or_default())
            }
            None => format!("{path}, which somebody took away"),
        };
        let object = object.to_string();
        match seen.changed.iter_mut().find(|known| known.object == object) {
            Some(known) => known.fields.push(line),
            None => seen.changed.push(ChangedObject {
                object,
                fields: vec![line],
            }),
        }
    }
}
