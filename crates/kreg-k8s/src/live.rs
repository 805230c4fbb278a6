//! The live backend: a Kubernetes API server, by way of kube.

#![allow(
    clippy::disallowed_methods,
    reason = "the one place where writes reach an API server"
)]

mod strangers;

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReviewSpec};
use kreg_stream::{Limits, PodStreams};
use kube::{
    Api, Client, Config, Resource as _,
    api::{
        DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams, PostParams,
        Preconditions, ValidationDirective,
    },
};
use serde_json::{Value, json};

use crate::{
    cluster::{ApplyMode, CREATE_MANAGER, Cluster, Deleted, FIELD_MANAGER, Patcher, Query},
    connection::{Connection, Prepared},
    error::Error,
    kind::Kind,
    object::Object,
    object_ref::ObjectRef,
    retry::{Denials, Retry, classify, field_conflicts, is_precondition},
    rights::Right,
};

/// A [`Cluster`] behind a real API server, 1.20 or newer.
#[derive(Clone)]
pub struct LiveCluster {
    client: Client,
    streams: PodStreams,
    retry: Retry,
    /// The server and the way to it, for messages; empty where the client was made elsewhere.
    server: Arc<str>,
}

impl LiveCluster {
    /// Reads the kubeconfig and prepares a client; nothing is sent yet. A credential program of the kubeconfig is run.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] if there is none or it cannot be used, [`Error::CredentialProgram`] if that program fails.
    pub async fn connect(connection: &Connection) -> Result<Self, Error> {
        let Prepared { config, server } = connection.prepare().await?;
        let mut retry = Retry::default();
        if let Some(limit) = connection.limit {
            retry.limit = limit;
        }
        let cluster = Self::limited(config.clone(), retry);
        let cluster = cluster.map_err(|error| connection.unusable(&config, error))?;
        Ok(Self {
            server: server.into(),
            ..cluster
        })
    }

    /// Prepares clients with this crate's limits, whatever the configuration says of them; nothing is sent yet.
    ///
    /// # Errors
    /// If kube cannot make a client of the configuration.
    pub fn from_config(config: Config) -> Result<Self, kube::Error> {
        Self::limited(config, Retry::default())
    }

    fn limited(mut config: Config, retry: Retry) -> Result<Self, kube::Error> {
        let at_most = |seconds| retry.limit.min(Duration::from_secs(seconds));
        config.connect_timeout = Some(at_most(10));
        config.read_timeout = Some(at_most(30));
        config.write_timeout = Some(at_most(30));
        let limits = Limits {
            connect: at_most(30),
            ..Limits::default()
        };
        let streams = PodStreams::new(config)?.with_limits(limits);
        Ok(Self::over(streams).with_retry(retry))
    }

    /// Wraps a client made elsewhere, whose timeouts then hold for streams as well ([`PodStreams::of_client`]).
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        Self::over(PodStreams::of_client(client))
    }

    fn over(streams: PodStreams) -> Self {
        LiveCluster {
            client: streams.requests().clone(),
            streams,
            retry: Retry::default(),
            server: "".into(),
        }
    }

    /// Sets how patient to be with a server that does not answer.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The client for requests of which [`Cluster`] knows nothing. Its read timeout breaks streams: for those there is
    /// [`LiveCluster::streams`].
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Streams to Pods: `exec` and `port-forward`.
    #[must_use]
    pub fn streams(&self) -> &PodStreams {
        &self.streams
    }

    /// A request with its tries; an error names the server.
    async fn ask<T, F>(
        &self,
        action: &'static str,
        object: &str,
        request: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let answer = self.retry.run(&self.client, action, object, request).await;
        answer.map_err(|error| error.at(&self.server))
    }

    fn api(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = kind.resource();
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    fn api_of(&self, object: &ObjectRef) -> Api<DynamicObject> {
        self.api(object.kind(), object.namespace())
    }

    /// A write that holds only for what was read: a 409 is final, and the caller reads again.
    async fn once<F>(
        &self,
        action: &'static str,
        object: &ObjectRef,
        mut request: impl FnMut() -> F,
    ) -> Result<Object, Error>
    where
        F: Future<Output = Result<DynamicObject, kube::Error>>,
    {
        let name = object.to_string();
        let outcome = self
            .ask(action, &name, || {
                let answer = request();
                async {
                    match answer.await {
                        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Err(status)),
                        other => other.map(Ok),
                    }
                }
            })
            .await?;
        match outcome {
            Ok(written) => wrap(object.kind(), written),
            Err(status) => Err(classify(action, &name, kube::Error::Api(status))),
        }
    }
}

/// All pages of a list.
async fn pages(
    api: &Api<DynamicObject>,
    parameters: &ListParams,
) -> Result<Vec<DynamicObject>, kube::Error> {
    const ANEW: u32 = 3;
    let mut parameters = parameters.clone().limit(500);
    let mut found = Vec::new();
    let mut expired = 0;
    loop {
        let page = match api.list(&parameters).await {
            // What the token speaks of is forgotten by now (etcd keeps it for five minutes): the list begins again.
            Err(kube::Error::Api(status))
                if status.code == 410 && parameters.continue_token.is_some() && expired < ANEW =>
            {
                expired += 1;
                found.clear();
                parameters.continue_token = None;
                continue;
            }
            page => page?,
        };
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(found),
        }
    }
}

impl Cluster for LiveCluster {
    fn streams(&self) -> Option<&PodStreams> {
        Some(&self.streams)
    }

    fn get<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<Option<Object>, Error>> {
        async move {
            let api = self.api_of(object);
            self.ask("get", &object.to_string(), || api.get_opt(object.name()))
                .await?
                .map(|found| wrap(object.kind(), found))
                .transpose()
        }
        .boxed()
    }

    fn list<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Vec<Object>, Error>> {
        async move {
            let what = match &query.namespace {
                Some(namespace) => format!("{} objects in namespace {namespace}", query.kind),
                None => format!("{} objects", query.kind),
            };
            let api = self.api(query.kind, query.namespace.as_deref());
            let parameters = ListParams::default()
                .labels(&query.labels)
                .fields(&query.fields);
            match self.ask("list", &what, || pages(&api, &parameters)).await {
                Ok(found) => found
                    .into_iter()
                    .map(|object| wrap(query.kind, object))
                    .collect(),
                // An older server that does not know the kind.
                Err(Error::Refused { code: 404, .. }) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn apply<'a>(
        &'a self,
        object: &'a Object,
        mode: ApplyMode,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        async move {
            let reference = object.reference();
            let api = self.api_of(reference);
            let parameters = PatchParams {
                dry_run: mode.dry_run,
                force: mode.force,
                field_manager: Some(FIELD_MANAGER.to_owned()),
                // Known since 1.25; older servers ignore the parameter.
                field_validation: Some(ValidationDirective::Strict),
            };
            let patch = Patch::Apply(object.value());
            let pinned = object.version().is_some();
            let outcome = self
                .ask("apply", &reference.to_string(), || async {
                    match api.patch(reference.name(), &parameters, &patch).await {
                        Ok(applied) => Ok(Ok(applied)),
                        Err(kube::Error::Api(status)) if !field_conflicts(&status).is_empty() => {
                            Ok(Err(Error::Conflict {
                                object: reference.clone(),
                                conflicts: field_conflicts(&status),
                            }))
                        }
                        // Whoever named a version meant that one: the same request can never succeed later.
                        Err(kube::Error::Api(status)) if pinned && status.code == 409 => Ok(Err(
                            classify("apply", &reference.to_string(), kube::Error::Api(status)),
                        )),
                        Err(error) => Err(error),
                    }
                })
                .await?;
            wrap(reference.kind(), outcome?)
        }
        .boxed()
    }

    fn create<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<Object, Error>> {
        async move {
            let api = self.api_of(object.reference());
            let parameters = PostParams {
                field_manager: Some(CREATE_MANAGER.to_owned()),
                ..PostParams::default()
            };
            let body = dynamic(object)?;
            self.once("create", object.reference(), || {
                api.create(&parameters, &body)
            })
            .await
        }
        .boxed()
    }

    fn remove_fields<'a>(
        &'a self,
        object: &'a Object,
        pointers: &'a [String],
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        async move {
            let reference = object.reference();
            // A patch that sets the version is refused if it is another one by now.
            let pin = json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": object.version() });
            let removals = pointers
                .iter()
                .map(|pointer| json!({ "op": "remove", "path": pointer }));
            let patch: Vec<Value> = std::iter::once(pin).chain(removals).collect();
            let patch = Value::from(patch).to_string();
            let resource = reference.kind().resource();
            let place = DynamicObject::url_path(&resource, reference.namespace());
            let dry_run = if dry_run { "&dryRun=All" } else { "" };
            let url = format!("{place}/{}?fieldManager={FIELD_MANAGER}{dry_run}", reference.name());
            let outcome = self
                .once("patch", reference, || async {
                    let request = http::Request::patch(&url)
                        .header(http::header::CONTENT_TYPE, "application/json-patch+json")
                        .body(patch.clone().into_bytes())
                        .map_err(kube::Error::HttpError)?;
                    self.client.request::<DynamicObject>(request).await
                })
                .await;
            // A field that is gone by now is noticed before the version is.
            match outcome {
                Err(Error::Refused {
                    action,
                    object: name,
                    code: 422,
                    reason,
                    message,
                }) => {
                    let live = self.get(reference).await?;
                    let same = live.as_ref().and_then(Object::version) == object.version();
                    if !same {
                        return Err(Error::Raced {
                            action,
                            object: name,
                            reason,
                            message,
                        });
                    }
                    Err(Error::Refused {
                        action,
                        object: name,
                        code: 422,
                        reason,
                        message,
                    })
                }
                outcome => outcome,
            }
        }
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        object: &'a Object,
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        async move {
            let reference = object.reference();
            let api = self.api_of(reference);
            let parameters = PostParams {
                dry_run,
                field_manager: Some(CREATE_MANAGER.to_owned()),
            };
            let body = dynamic(object)?;
            self.once("replace", reference, || {
                api.replace(reference.name(), &parameters, &body)
            })
            .await
        }
        .boxed()
    }

    fn patch<'a>(
        &'a self,
        object: &'a ObjectRef,
        patch: &'a Value,
        by: Patcher,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        async move {
            let api = self.api_of(object);
            let parameters = PatchParams {
                field_manager: Some(by.manager().to_owned()),
                field_validation: Some(ValidationDirective::Strict),
                ..PatchParams::default()
            };
            let pinned = patch.pointer("/metadata/resourceVersion").is_some();
            let patch = Patch::Strategic(patch);
            let request = || api.patch(object.name(), &parameters, &patch);
            if pinned {
                return self.once("patch", object, request).await;
            }
            let name = object.to_string();
            let patched = self.ask("patch", &name, request).await?;
            wrap(object.kind(), patched)
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        object: &'a ObjectRef,
        uid: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, Error>> {
        async move {
            let api = self.api_of(object);
            let parameters = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: Some(uid.to_owned()),
                    resource_version: None,
                }),
                ..DeleteParams::background()
            };
            self.ask("delete", &object.to_string(), || async {
                match api.delete(object.name(), &parameters).await {
                    Ok(_) => Ok(Deleted::Yes),
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(Deleted::Absent),
                    Err(kube::Error::Api(status)) if is_precondition(&status) => {
                        Ok(Deleted::OtherUid)
                    }
                    Err(error) => Err(error),
                }
            })
            .await
        }
        .boxed()
    }

    fn strangers<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        strangers::list(self, namespace).boxed()
    }

    fn pod_log<'a>(
        &'a self,
        pod: &'a ObjectRef,
        container: &'a str,
        previous: bool,
        lines: u32,
    ) -> BoxFuture<'a, Result<String, Error>> {
        async move {
            let api: Api<k8s_openapi::api::core::v1::Pod> =
                Api::namespaced(self.client.clone(), pod.namespace().unwrap_or("default"));
            let parameters = LogParams {
                container: Some(container.to_owned()),
                previous,
                tail_lines: Some(i64::from(lines)),
                limit_bytes: Some(LOG_MAX),
                ..LogParams::default()
            };
            self.ask("read the log of", &pod.to_string(), || {
                api.logs(pod.name(), &parameters)
            })
            .await
        }
        .boxed()
    }

    fn may<'a>(&'a self, right: &'a Right) -> BoxFuture<'a, Result<bool, Error>> {
        use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
        async move {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        namespace: right.namespace.clone(),
                        group: text(right.group),
                        resource: text(right.resource),
                        subresource: text(right.subresource),
                        name: right.name.clone(),
                        verb: text(right.verb),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
            let parameters = PostParams::default();
            let what = format!("the right to {right}");
            let mut denials = Denials::default();
            for tries in 1.. {
                let answer = self
                    .ask("ask about", &what, || api.create(&parameters, &review))
                    .await?;
                if answer.status.is_some_and(|status| status.allowed) {
                    return Ok(true);
                }
                if tries >= self.retry.tries || denials.count(&self.client).await {
                    break;
                }
                if !denials.over() {
                    tokio::time::sleep(self.retry.doubled(tries)).await;
                }
            }
            Ok(false)
        }
        .boxed()
    }

    fn server_version(&self) -> BoxFuture<'_, Result<Option<String>, Error>> {
        async move {
            let info = self
                .ask("get", "the server's version", || {
                    self.client.apiserver_version()
                })
                .await?;
            Ok(Some(info.git_version))
        }
        .boxed()
    }

    fn date(&self) -> BoxFuture<'_, Result<Option<String>, Error>> {
        async move {
            let answer = self
                .ask("get", "the server's date", || async {
                    let request = http::Request::get("/version")
                        .body(kube::client::Body::empty())
                        .map_err(kube::Error::HttpError)?;
                    // Every answer has a date, a refusal too.
                    self.client.send(request).await
                })
                .await?;
            let date = answer.headers().get(http::header::DATE);
            Ok(date.and_then(|date| Some(date.to_str().ok()?.to_owned())))
        }
        .boxed()
    }
}

/// The most of a log that is read, in bytes: who writes to it chooses how long its lines are.
const LOG_MAX: i64 = 1 << 20;

fn dynamic(object: &Object) -> Result<DynamicObject, Error> {
    serde_json::from_value(object.value().clone()).map_err(|error| Error::Malformed {
        what: object.reference().to_string(),
        problem: error.to_string(),
    })
}

/// Items of a list come without apiVersion and kind.
fn wrap(kind: Kind, object: DynamicObject) -> Result<Object, Error> {
    let mut value = serde_json::to_value(object).map_err(|error| Error::Malformed {
        what: format!("a {kind} from the API server"),
        problem: error.to_string(),
    })?;
    if let Value::Object(map) = &mut value {
        map.insert("apiVersion".to_owned(), kind.api_version().into());
        map.insert("kind".to_owned(), kind.name().into());
    }
    Object::from_value(value)
}
