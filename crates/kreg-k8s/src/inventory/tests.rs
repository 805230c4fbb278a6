use super::*;

fn sample() -> (RegistrySpec, Inventory) {
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let names = Names::of(spec.place());
    let mut inventory = Inventory::new(&spec).unwrap();
    inventory.cluster_ip = Some([10, 96, 0, 50].into());
    for (object, uid) in [
        (names.namespace, Some("u1")),
        (names.volume, None),
        (names.service, Some("u2")),
    ] {
        inventory.record(Entry {
            object,
            uid: uid.map(str::to_owned),
            created: uid.is_some(),
        });
    }
    (spec, inventory)
}

#[test]
fn survives_the_way_into_an_object_and_back() {
    let (spec, mut inventory) = sample();
    let shared = Shared {
        uid: Some("u7".to_owned()),
        service_accounts: BTreeSet::from(["default".to_owned()]),
    };
    inventory.shared.insert("team-a".to_owned(), shared);
    inventory.namespace_uid = Some("u0".to_owned());
    assert_eq!(
        Inventory::from_object(&inventory.to_object(spec.place())).unwrap(),
        inventory
    );
}

#[test]
fn a_newer_schema_is_refused_with_the_object_named() {
    let (spec, inventory) = sample();
    let mut object = inventory.to_object(spec.place());
    let text = object.annotation(ANNOTATION_INVENTORY).unwrap();
    let text = text.replace("kreg/v1", "kreg/v2");
    object.value_mut()["metadata"]["annotations"][ANNOTATION_INVENTORY] = text.into();
    let error = Inventory::from_object(&object).unwrap_err().to_string();
    assert!(
        error.contains("ClusterRole kreg:docker-registry"),
        "{error}"
    );
    assert!(error.contains("kreg/v2"), "{error}");
}

#[test]
fn recording_an_object_twice_keeps_one_entry() {
    let (_, mut inventory) = sample();
    let first = inventory.entries[1].object.clone();
    inventory.record(Entry {
        object: first.clone(),
        uid: Some("u9".into()),
        created: true,
    });
    assert_eq!(inventory.entries.len(), 3);
    assert_eq!(inventory.find(&first).unwrap().uid.as_deref(), Some("u9"));
}
