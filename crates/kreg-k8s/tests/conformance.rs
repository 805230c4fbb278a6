//! Every backend of the trait keeps every promise of it.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use kreg_k8s::{
    ApplyMode, Cluster, FolderCluster, Manifests, Material, Place, Profile, RegistrySpec, Serving,
    Storage, Turn, conformance,
};

#[tokio::test]
async fn a_folder_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let folder = FolderCluster::open(directory.path()).unwrap();
    conformance::run(&folder, "default", "suite").await.unwrap();
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is left");
}

#[tokio::test]
async fn a_folder_patches_one_container_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let folder = FolderCluster::open(directory.path()).unwrap();
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let manifests = Manifests::full(&spec, &common::dummy_material());
    let workload = kreg_k8s::Names::of(spec.place()).workload;
    let made = manifests
        .objects()
        .iter()
        .find(|one| one.reference() == &workload);
    let made = folder
        .apply(made.unwrap(), ApplyMode::default())
        .await
        .unwrap();
    let turn = Turn::begin(&folder, spec.place()).await.unwrap();
    let patched = folder.get(&workload).await.unwrap().unwrap();
    assert!(turn.is_of(&patched));
    assert_eq!(Serving::of(&patched), Some(Serving::ReadOnly));
    let args = "/spec/template/spec/containers/0/args";
    let mut spec = patched.value().clone();
    *spec.pointer_mut(args).unwrap() = made.value().pointer(args).unwrap().clone();
    spec["spec"]["template"]["metadata"] = made.value()["spec"]["template"]["metadata"].clone();
    assert_eq!(spec["spec"], made.value()["spec"]);
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_real_api_server_conforms() {
    let prefix = format!("t-suite-{}", std::process::id());
    conformance::run(&common::cluster().await, "default", &prefix)
        .await
        .unwrap();
}

#[tokio::test]
async fn no_secret_of_a_registry_reaches_a_file_and_foreign_files_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let folder = FolderCluster::open(directory.path()).unwrap();
    let spec = RegistrySpec::new(Place::new(Profile::Default))
        .with_local_hosting(true)
        .with_storage(Storage::EmptyDir)
        .unwrap();
    let material = Material {
        tls_key_pem: "hunter2-key".into(),
        htpasswd: "hunter2-hash".into(),
        ..common::dummy_material()
    };
    let manifests = Manifests::full(&spec, &material);
    for object in manifests.objects() {
        folder.apply(object, ApplyMode::default()).await.unwrap();
        let back = folder.get(object.reference()).await.unwrap().unwrap();
        if object.reference().kind() != kreg_k8s::Kind::Secret {
            assert_eq!(back.value()["spec"], object.value()["spec"]);
            assert_eq!(back.value()["data"], object.value()["data"]);
        }
    }
    let secret = |text: &str| {
        ["hunter2", "aHVudGVyMi"]
            .iter()
            .any(|part| text.contains(part))
    };
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!secret(&text), "{}", path.display());
        // `kubectl apply -f` of the folder would empty the Secrets of a registry that is up.
        let ending = path.extension().unwrap().to_str().unwrap();
        let applied = ["yaml", "yml", "json"].contains(&ending);
        assert_ne!(applied, text.contains("kind: Secret"), "{}", path.display());
    }
    let secrets = kreg_k8s::Query::all(kreg_k8s::Kind::Secret);
    assert_eq!(folder.list(&secrets).await.unwrap().len(), 5);
    let first = &manifests.objects()[0];
    std::fs::write(
        folder.file(first.reference()),
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n",
    )
    .unwrap();
    let error = folder
        .apply(first, ApplyMode::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("kreg did not write it"), "{error}");
}
