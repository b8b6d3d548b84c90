//! Components in a real registry, as `wkg` expects them, and artifacts that only pretend to be one.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod support;

use bytes::Bytes;
use relrun_registry::spec::MediaType;
use relrun_registry::wasm::{self, CONFIG_TYPE, Interface, LAYER_TYPE, WasmConfig, WasmPlan};
use relrun_registry::{ArtifactPlan, Blob, Layout, Name, PushAs, Transfer, canonical_json};
use support::{blob, logged_in, open, plain, tag};

fn component(name: &str) -> Bytes {
    Bytes::from(wat::parse_str(format!(r#"(component (import "acme:shop/{name}@0.1.0" (instance)))"#)).unwrap())
}

#[tokio::test]
async fn a_component_is_pulled_as_it_was_pushed() {
    let server = plain();
    let repository = open(logged_in(&server.host()), &server.host(), "acme/plugin").await;
    let plan = WasmPlan { target: Some("relrun:plugin/step@0.1.0".to_owned()), ..WasmPlan::default() };
    let made = plan.build(component("log")).unwrap();
    Transfer::new(".").push(&*repository, &made, &PushAs::Immutable(tag("0.1.0"))).await.unwrap();
    let pulled = wasm::pull(&*repository, &Name::Tag(tag("0.1.0")), 1 << 20).await.unwrap();
    assert_eq!((&pulled.bytes, &pulled.digest), (&component("log"), made.manifest.digest()));
    assert_eq!(pulled.interface.imports, ["acme:shop/log@0.1.0"]);
    assert_eq!(pulled.config.component.unwrap().target.as_deref(), Some("relrun:plugin/step@0.1.0"));
    let error = wasm::pull(&*repository, &Name::Tag(tag("0.1.0")), 10).await.unwrap_err().to_string();
    assert!(error.ends_with("is larger than the 10 bytes that are taken"), "{error}");

    // What the readers of the ecosystem look at, as skopeo sees it.
    let at = format!("docker://{}/acme/plugin:0.1.0", server.host());
    let raw: serde_json::Value = serde_json::from_str(&server.skopeo(&["inspect", "--raw", "--tls-verify=false", &at])).unwrap();
    assert_eq!(raw["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!((&raw["config"]["mediaType"], &raw["layers"][0]["mediaType"]), (&CONFIG_TYPE.into(), &LAYER_TYPE.into()));
    let config: serde_json::Value =
        serde_json::from_slice(&repository.pull_bytes(made.blobs[0].descriptor(), 1 << 20).await.unwrap()).unwrap();
    assert_eq!(
        config,
        serde_json::json!({
            "created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
            "layerDigests": [made.blobs[1].digest().to_string()],
            "component": {"exports": [], "imports": ["acme:shop/log@0.1.0"], "target": "relrun:plugin/step@0.1.0"},
        })
    );
}

#[tokio::test]
async fn what_only_pretends_to_be_a_component_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path().join("layout"));
    let made = WasmPlan::default().build(component("log")).unwrap();
    let (config, layer) = (made.blobs[0].clone(), made.blobs[1].clone());
    let typed = |kind: &str, bytes: Bytes| Blob::of_bytes(MediaType::from(kind), bytes);
    let other = WasmPlan::default().build(component("other")).unwrap();
    // A config that names the right layer, and another interface.
    let lie = WasmConfig {
        created: "2026-11-21T00:00:00Z".to_owned(),
        author: None,
        architecture: "wasm".to_owned(),
        os: "wasip2".to_owned(),
        layer_digests: vec![layer.digest().to_string()],
        component: Some(Interface { imports: vec!["acme:shop/harmless@0.1.0".to_owned()], ..Interface::default() }),
    };
    let lying = typed(CONFIG_TYPE, canonical_json(&lie).unwrap());
    let cases: Vec<(Blob, Vec<Blob>, &str)> = vec![
        (blob("{}"), vec![layer.clone()], "it is no component: its config is application/octet-stream"),
        (config.clone(), vec![blob("x")], "its layer is application/octet-stream"),
        (config.clone(), vec![layer.clone(), blob("x")], "it has 2 layers"),
        (other.blobs[0].clone(), vec![layer.clone()], "its config is of another component"),
        (typed(CONFIG_TYPE, Bytes::from_static(b"[]")), vec![layer.clone()], "its config cannot be read"),
        (lying, vec![layer], "its config names other imports or exports"),
    ];
    for (config, layers, text) in cases {
        let artifact = ArtifactPlan { config: Some(config), layers, ..ArtifactPlan::default() }.build().unwrap();
        Transfer::new(folder.path()).push(&layout, &artifact, &PushAs::Tagged(tag("x"))).await.unwrap();
        let error = wasm::pull(&layout, &Name::Tag(tag("x")), 1 << 20).await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}
