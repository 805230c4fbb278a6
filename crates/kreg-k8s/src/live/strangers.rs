//! What lies in a namespace beside the kinds that kreg knows: the server says what it serves, and is asked for each.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::{
    Api,
    api::{DynamicObject, ListParams},
    core::ApiResource,
};

use super::{LiveCluster, pages};
use crate::{error::Error, kind::Kind};

/// What their servers work out when asked; nobody made it.
const VIRTUAL_GROUPS: [&str; 4] = [
    "metrics.k8s.io",
    "custom.metrics.k8s.io",
    "external.metrics.k8s.io",
    "packages.operators.coreos.com",
];
/// What controllers make of other objects, owner or not.
const MADE_BY_CONTROLLERS: [&str; 3] = ["events", "endpoints", "endpointslices"];
/// How many are asked for at once.
const AT_ONCE: usize = 8;

/// Sorted, as `cronjobs.batch/nightly`.
pub(super) async fn list(cluster: &LiveCluster, namespace: &str) -> Result<Vec<String>, Error> {
    let resources = foreign(&served(cluster).await?);
    let asked = resources
        .into_iter()
        .map(|resource| of(cluster, resource, namespace));
    let mut found: Vec<String> = stream::iter(asked)
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?
        .concat();
    found.sort();
    Ok(found)
}

async fn served(cluster: &LiveCluster) -> Result<Vec<APIResourceList>, Error> {
    let (client, retry) = (&cluster.client, &cluster.retry);
    let groups = retry
        .run(client, "list", "the API's groups", || {
            client.list_api_groups()
        })
        .await?;
    let versions = groups
        .groups
        .into_iter()
        .filter(|group| !VIRTUAL_GROUPS.contains(&group.name.as_str()))
        .flat_map(|group| group.versions)
        .map(|version| async move {
            let version = version.group_version;
            let what = format!("the resources of {version}");
            match retry
                .run(client, "list", &what, || {
                    client.list_api_group_resources(&version)
                })
                .await
            {
                // Taken out of the API meanwhile.
                Err(Error::Refused { code: 404, .. }) => Ok(APIResourceList::default()),
                other => other,
            }
        });
    let mut lists: Vec<_> = stream::iter(versions)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let core = retry.run(client, "list", "the resources of v1", || {
        client.list_core_api_resources("v1")
    });
    lists.push(core.await?);
    Ok(lists)
}

/// Each resource once, though several versions of its group may serve it.
fn foreign(lists: &[APIResourceList]) -> Vec<ApiResource> {
    let mut found: Vec<ApiResource> = Vec::new();
    for list in lists {
        let (group, version) = list
            .group_version
            .split_once('/')
            .unwrap_or(("", &list.group_version));
        for one in &list.resources {
            let is = |known: &ApiResource| known.group == group && known.plural == one.name;
            let is_own = |kind: &Kind| kind.group() == group && kind.plural() == one.name;
            if !one.namespaced
                || one.name.contains('/')
                || !one.verbs.iter().any(|verb| verb == "list")
                || MADE_BY_CONTROLLERS.contains(&one.name.as_str())
                || Kind::ALL.iter().any(is_own)
                || found.iter().any(is)
            {
                continue;
            }
            found.push(ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version: list.group_version.clone(),
                kind: one.kind.clone(),
                plural: one.name.clone(),
            });
        }
    }
    found
}

/// What has an owner is judged by its owner.
async fn of(
    cluster: &LiveCluster,
    resource: ApiResource,
    namespace: &str,
) -> Result<Vec<String>, Error> {
    let name = match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), namespace, &resource);
    let parameters = ListParams::default();
    let listed = cluster
        .retry
        .run(
            &cluster.client,
            "list",
            &format!("{name} in namespace {namespace}"),
            || pages(&api, &parameters),
        )
        .await;
    let objects = match listed {
        Err(Error::Refused { code: 404, .. }) => Vec::new(),
        other => other?,
    };
    Ok(objects
        .into_iter()
        .map(|object| object.metadata)
        .filter(|metadata| metadata.owner_references.iter().all(Vec::is_empty))
        .map(|metadata| format!("{name}/{}", metadata.name.unwrap_or_default()))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_listable_resource_of_namespaces_counts_once_and_kregs_own_kinds_not() {
        let resource = |name: &str, namespaced: bool, verbs: &[&str]| {
            json!({"name": name, "singularName": "",
            "namespaced": namespaced, "kind": "K", "verbs": verbs})
        };
        let list = |version: &str, resources: Vec<serde_json::Value>| -> APIResourceList {
            serde_json::from_value(json!({"groupVersion": version, "resources": resources}))
                .unwrap()
        };
        let lists = [
            list("batch/v1", vec![resource("jobs", true, &["list"])]),
            list(
                "batch/v1beta1",
                vec![
                    resource("cronjobs", true, &["get", "list"]),
                    resource("cronjobs/status", true, &["get", "list"]),
                ],
            ),
            list("batch/v2", vec![resource("cronjobs", true, &["list"])]),
            list(
                "v1",
                vec![
                    resource("limitranges", true, &["list"]),
                    resource("events", true, &["list"]),
                    resource("bindings", true, &["create"]),
                    resource("secrets", true, &["list"]),
                    resource("componentstatuses", false, &["list"]),
                ],
            ),
            // Of another group it is another one.
            list("example.com/v1", vec![resource("secrets", true, &["list"])]),
        ];
        let found: Vec<_> = foreign(&lists)
            .iter()
            .map(|one| format!("{} {}", one.api_version, one.plural))
            .collect();
        assert_eq!(
            found,
            [
                "batch/v1beta1 cronjobs",
                "v1 limitranges",
                "example.com/v1 secrets"
            ]
        );
    }
}
