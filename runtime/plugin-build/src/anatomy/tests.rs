use super::*;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// Makes a component of a world with nothing behind its functions.
fn component(wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    if wit == NEXT {
        resolve.push_source("plugin-0.1.wit", WIT).unwrap();
    }
    let package = resolve.push_source("plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wit_component::dummy_module(
        &resolve,
        world,
        wit_bindgen_core::wit_parser::ManglingAndAbi::Legacy(wit_bindgen_core::wit_parser::LiftLowerAbi::Sync),
    );
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

#[test]
fn what_is_built_for_the_world_fits_it() {
    let anatomy = Anatomy::of(&component(WIT, "plugin")).unwrap();
    assert_eq!(anatomy.faults().collect::<Vec<_>>(), []);
    assert!(anatomy.reaches().contains("rounds"));
    let step = anatomy.exports.iter().find(|part| part.name == "relrun:plugin/step@0.1.1").unwrap();
    assert!(step.functions.iter().any(|name| name == "destroy"));
}

#[test]
fn what_is_built_for_the_next_world_fits_it_too() {
    let anatomy = Anatomy::of(&component(NEXT, "plugin")).unwrap();
    assert_eq!(anatomy.faults().collect::<Vec<_>>(), []);
    assert!(anatomy.reaches().contains("findings") && anatomy.reaches().contains("http"));
}

#[test]
fn each_function_that_does_not_fit_is_named() {
    let newer = WIT
        .replace("names: func() -> list<string>;", "names: func(like: string) -> list<string>;\n    sweep: func();")
        .replace("destroy: func(config: json, receipt: json)", "remove: func(config: json, receipt: json)");
    let anatomy = Anatomy::of(&component(&newer, "plugin")).unwrap();
    let faults: Vec<(&str, &str)> = anatomy.faults().collect();
    let expected = [
        ("relrun:plugin/hosts@0.1.1", "`names` is func(like: string) -> list<string>, and should be func() -> list<string>"),
        ("relrun:plugin/hosts@0.1.1", "this relrun has no function `sweep` there"),
        ("relrun:plugin/step@0.1.1", "it has no function `destroy` there"),
    ];
    assert_eq!(faults, expected);
}

#[test]
fn a_type_that_grew_is_seen_wherever_it_is_used() {
    let newer = WIT.replace("/// Something differs.\n        drifted", "unsure,\n        drifted");
    assert_ne!(newer, WIT);
    let anatomy = Anatomy::of(&component(&newer, "plugin")).unwrap();
    let faults: Vec<(&str, &str)> = anatomy.faults().collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].1.starts_with("`verify` is func(config: string, receipt: string)"), "{faults:?}");
}

#[test]
fn a_component_that_is_no_plugin_says_what_is_missing() {
    let other = "package acme:other@1.0.0; interface thing { run: func(); } world other { import thing; export run: func(); }";
    let anatomy = Anatomy::of(&component(other, "other")).unwrap();
    let faults: Vec<(&str, &str)> = anatomy.faults().collect();
    assert_eq!(faults[0], ("acme:other/thing@1.0.0", "relrun offers no acme:other/thing@1.0.0"));
    assert_eq!(faults[1].0, "relrun:plugin/step");
}

#[test]
fn nonsense_is_refused() {
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"hello there, no component"] {
        assert!(Anatomy::of(bytes).is_err());
    }
}
