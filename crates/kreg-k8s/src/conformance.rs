//! What every [`Cluster`] must do, as a suite that any backend can be put through.

use serde_json::{Value, json};

use crate::{
    cluster::{ApplyMode, Cluster, Deleted, Patcher, Query},
    error::Error,
    kind::Kind,
    object::Object,
    object_ref::ObjectRef,
};

/// Puts a backend through every promise of the trait, with ConfigMaps and a Secret in `namespace`, which must exist (a
/// folder has no such need). Names begin with `prefix`. Nothing of it is left when all promises hold.
///
/// # Errors
/// The first promise that does not hold, in words.
pub async fn run(cluster: &dyn Cluster, namespace: &str, prefix: &str) -> Result<(), String> {
    let name =
        |suffix: &str| ObjectRef::new(Kind::ConfigMap, namespace, &format!("{prefix}-{suffix}"));
    let (one, two) = (name("one"), name("two"));
    let labels = json!({ "suite": prefix, "which": "one" });
    let first = Object::build(
        one.clone(),
        &labels,
        Value::Null,
        json!({ "data": { "a": "1", "b": "true" } }),
    );
    let second = Object::build(
        two.clone(),
        &json!({ "suite": prefix }),
        Value::Null,
        json!({ "data": { "x": "y: z\n- 1\n" } }),
    );
    let write = ApplyMode::default();
    let dry = ApplyMode {
        dry_run: true,
        force: false,
    };

    that(
        ok(cluster.get(&one).await)?.is_none(),
        "what was never made is not there",
    )?;
    ok(cluster.apply(&first, dry).await)?;
    that(
        ok(cluster.get(&one).await)?.is_none(),
        "a dry run makes nothing",
    )?;

    let made = ok(cluster.apply(&first, write).await)?;
    that(
        made.uid().is_some_and(|uid| !uid.is_empty()),
        "what is made has a uid",
    )?;
    ok(cluster.apply(&second, write).await)?;
    let read = there(cluster, &one).await?;
    that(
        read.uid() == made.uid(),
        "what is read back has the uid it was made with",
    )?;
    that(
        read.value()["data"] == first.value()["data"],
        "what is read back is what was applied",
    )?;
    let text = there(cluster, &two).await?;
    that(
        text.value()["data"] == second.value()["data"],
        "text of many lines survives",
    )?;

    let version = |object: &Object| object.version().map(str::to_owned);
    ok(cluster.apply(&first, write).await)?;
    that(
        version(&there(cluster, &one).await?) == version(&read),
        "applying the same again writes nothing",
    )?;

    let lost = cluster.create(&first).await;
    that(
        matches!(lost, Err(Error::Raced { .. })),
        "what is there is not created",
    )?;
    let third = Object::build(
        name("three"),
        &json!({ "suite/three": "x" }),
        Value::Null,
        json!({ "data": { "a": "1", "b": "2" } }),
    );
    let created = ok(cluster.create(&third).await)?;
    that(
        there(cluster, third.reference()).await?.value()["data"] == third.value()["data"],
        "what is created is there",
    )?;
    let pointers = [
        "/metadata/labels/suite~1three".to_owned(),
        "/data/b".to_owned(),
    ];
    ok(cluster.remove_fields(&created, &pointers, true).await)?;
    that(
        there(cluster, third.reference()).await?.value()["data"] == third.value()["data"],
        "a dry run removes nothing",
    )?;
    ok(cluster.remove_fields(&created, &pointers, false).await)?;
    let left = there(cluster, third.reference()).await?;
    that(
        left.value()["data"] == json!({ "a": "1" }) && left.label("suite/three").is_none(),
        "fields are removed, and no others",
    )?;
    let lost = cluster.remove_fields(&created, &pointers, false).await;
    that(
        matches!(lost, Err(Error::Raced { .. })),
        "fields of an older version are not removed",
    )?;

    let mut changed = first.clone();
    changed.value_mut()["data"] = json!({ "a": "2" });
    ok(cluster.apply(&changed, dry).await)?;
    that(
        version(&there(cluster, &one).await?) == version(&read),
        "a dry run changes nothing",
    )?;
    ok(cluster.apply(&changed, write).await)?;
    let now = there(cluster, &one).await?;
    that(
        now.value()["data"] == json!({ "a": "2" }),
        "a field that is no longer declared goes away",
    )?;
    that(
        now.uid() == made.uid() && version(&now) != version(&read),
        "a change keeps the uid and is a new version",
    )?;

    let mut stale = read.clone();
    stale.value_mut()["data"] = json!({ "a": "3" });
    let lost = cluster.replace(&stale, false).await;
    that(
        matches!(lost, Err(Error::Raced { .. })),
        "replacing what has changed meanwhile is refused",
    )?;
    let mut pinned = changed.clone();
    pinned.value_mut()["metadata"]["resourceVersion"] = version(&read).into();
    let lost = cluster.apply(&pinned, write).await;
    that(
        matches!(lost, Err(Error::Raced { .. })),
        "applying to an older version is refused",
    )?;
    let mut fresh = now.clone();
    fresh.value_mut()["data"] = json!({ "a": "4" });
    ok(cluster.replace(&fresh, true).await)?;
    that(
        there(cluster, &one).await? == now,
        "a dry run replaces nothing",
    )?;
    ok(cluster.replace(&fresh, false).await)?;
    that(
        there(cluster, &one).await?.value()["data"] == json!({ "a": "4" }),
        "replacing what was just read works",
    )?;

    let before = there(cluster, &two).await?;
    let patch = json!({ "metadata": { "annotations": { "suite/patched": "yes" } }, "data": { "x": null, "z": "1" } });
    ok(cluster.patch(&two, &patch, Patcher::Renew).await)?;
    let patched = there(cluster, &two).await?;
    that(
        patched.value()["data"] == json!({ "z": "1" })
            && patched.annotation("suite/patched") == Some("yes"),
        "a patch sets fields, and takes out what it has as null",
    )?;
    that(
        patched.uid() == before.uid() && patched.label("suite") == Some(prefix),
        "a patch leaves everything else",
    )?;
    let pinned = |object: &Object| json!({ "metadata": { "resourceVersion": version(object) }, "data": { "z": "2" } });
    let lost = cluster.patch(&two, &pinned(&before), Patcher::Renew).await;
    that(
        matches!(lost, Err(Error::Raced { .. })),
        "a patch for an older version is refused",
    )?;
    ok(cluster.patch(&two, &pinned(&patched), Patcher::Renew).await)?;
    let lost = cluster.patch(&name("none"), &patch, Patcher::Renew).await;
    that(
        matches!(lost, Err(Error::Refused { code: 404, .. })),
        "what is not there is not patched",
    )?;

    let query = |labels: String| {
        Query::all(Kind::ConfigMap)
            .within(namespace)
            .labelled(labels)
    };
    let found = |list: Vec<Object>| {
        list.into_iter()
            .map(|object| object.reference().clone())
            .collect::<Vec<_>>()
    };
    let mut all = found(ok(cluster.list(&query(format!("suite={prefix}"))).await)?);
    all.sort();
    that(
        all == [one.clone(), two.clone()],
        "a list holds what its labels select",
    )?;
    let some = found(ok(cluster
        .list(&query(format!("suite={prefix},which")))
        .await)?);
    that(some == [one.clone()], "every term of a selector counts")?;
    let by_name = query(String::new()).with_fields(format!("metadata.name={}", two.name()));
    that(
        found(ok(cluster.list(&by_name).await)?) == [two.clone()],
        "a list can be asked by name",
    )?;
    let elsewhere = Query::all(Kind::ConfigMap)
        .within("no-such-namespace")
        .labelled(format!("suite={prefix}"));
    that(
        ok(cluster.list(&elsewhere).await)?.is_empty(),
        "a list keeps to its namespace",
    )?;

    let secret = ObjectRef::new(Kind::Secret, namespace, &format!("{prefix}-secret"));
    let body = json!({ "type": "Opaque", "data": { "key": "aHVudGVyMg==" } });
    ok(cluster
        .apply(
            &Object::build(secret.clone(), &labels, Value::Null, body),
            write,
        )
        .await)?;
    let kept = there(cluster, &secret).await?;
    that(
        kept.value().pointer("/data/key").is_some(),
        "the keys of a Secret are kept",
    )?;

    for reference in [&one, &two, third.reference(), &secret] {
        let live = there(cluster, reference).await?;
        let uid = live.uid().unwrap_or_default();
        let spared = ok(cluster
            .delete(reference, "00000000-0000-0000-0000-000000000000")
            .await)?;
        that(
            spared == Deleted::OtherUid,
            "an object of another uid is spared",
        )?;
        there(cluster, reference).await?;
        that(
            ok(cluster.delete(reference, uid).await)? == Deleted::Yes,
            "an object is deleted by its uid",
        )?;
        that(
            ok(cluster.delete(reference, uid).await)? == Deleted::Absent,
            "deleting again finds nothing",
        )?;
        that(
            ok(cluster.get(reference).await)?.is_none(),
            "what is deleted is gone",
        )?;
    }
    Ok(())
}

fn that(holds: bool, promise: &str) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(format!("not so: {promise}")),
    }
}

fn ok<T>(outcome: Result<T, Error>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

async fn there(cluster: &dyn Cluster, object: &ObjectRef) -> Result<Object, String> {
    ok(cluster.get(object).await)?.ok_or_else(|| format!("not so: {object} is there"))
}
