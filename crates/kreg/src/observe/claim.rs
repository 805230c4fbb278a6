//! The claim that a registry keeps its images on.

use kreg_k8s::{Kind, ObjectRef, Query};
use kreg_verify::doctor::Claim;

use super::look::Look;
use crate::error::Error;

pub(super) async fn seen(
    look: &mut Look<'_>,
    reference: &ObjectRef,
) -> Result<Option<Claim>, Error> {
    let Some(Some(live)) = look.get(reference).await? else {
        return Ok(None);
    };
    let phase = live.text("/status/phase").unwrap_or("Pending").to_owned();
    let bound = phase == "Bound";
    let text = |at: &str| live.text(at).map(str::to_owned);
    let volume = text("/spec/volumeName");
    let mut meant = None;
    if !bound {
        let volumes = look.list(&Query::all(Kind::PersistentVolume)).await?;
        meant = volumes
            .iter()
            .find(|one| {
                let named = volume.as_deref() == Some(one.reference().name());
                let names = one.text("/spec/claimRef/name") == Some(reference.name())
                    && one.text("/spec/claimRef/namespace") == reference.namespace();
                let classless = one.text("/spec/storageClassName").is_none_or(str::is_empty);
                (named || names) && classless
            })
            .map(|one| format!("volume {}", one.reference().name()));
    }
    Ok(Some(Claim {
        object: reference.to_string(),
        class: text("/spec/storageClassName"),
        volume,
        meant,
        events: if bound {
            Vec::new()
        } else {
            look.events(&live).await?
        },
        phase,
    }))
}
