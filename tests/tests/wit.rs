//! Pins the shape of `wit/plugin.wit` and `wit/0.2/plugin.wit`, one item a line, because a case, a field or a parameter that is added, renamed or moved breaks every
//! plugin that was compiled before. `docs/wit.md` says how the world grows instead.
//!
//! A new line in the snapshot is growth, and may be accepted. A line that is gone or differs is a break, and never is.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use std::collections::BTreeSet;
use std::path::Path;
use wit_parser::{Docs, Function, Handle, Interface, PackageId, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, WorldItem, WorldKey};

/// What was pinned before: the text behind the snapshot's head.
const PINNED: &str = include_str!("snapshots/wit__shape.snap");

/// The worlds that are served, by their folders.
const WORLDS: [&str; 2] = ["wit", "wit/0.2"];

fn world(folder: &str) -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let (package, _) = resolve.push_path(folder).unwrap();
    (resolve, package)
}

/// Returns the lines of every world; those of the later ones begin with their version.
fn shape() -> Vec<String> {
    let later = |folder: &str| shape_of(folder).into_iter().map(|line| format!("{} {line}", &folder["wit/".len()..])).collect::<Vec<_>>();
    shape_of(WORLDS[0]).into_iter().chain(WORLDS[1..].iter().flat_map(|folder| later(folder))).collect()
}

fn shape_of(folder: &str) -> Vec<String> {
    let (resolve, package) = world(folder);
    let package = &resolve.packages[package];
    // The patch number counts the additions, and breaks nothing: a component for 0.1.0 runs where 0.1.1 is served.
    let version = package.name.version.as_ref().unwrap();
    let mut lines = vec![format!("package {}:{}@{}.{}", package.name.namespace, package.name.name, version.major, version.minor)];
    for (name, &id) in &package.interfaces {
        let interface = &resolve.interfaces[id];
        for (name_of_type, &id) in &interface.types {
            lines.push(format!("{name}: {}", defined(&resolve, name_of_type, &resolve.types[id])));
        }
        lines.extend(interface.functions.values().map(|function| format!("{name}: {}", signature(&resolve, function))));
    }
    for (name, &id) in &package.worlds {
        let world = &resolve.worlds[id];
        let sides = [("import", &world.imports), ("export", &world.exports)];
        for (side, items) in sides {
            lines.extend(items.iter().map(|(key, item)| format!("world {name}: {side} {}", item_name(&resolve, key, item))));
        }
    }
    lines
}

fn item_name(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> String {
    match (key, item) {
        (WorldKey::Interface(id), _) => resolve.interfaces[*id].name.clone().unwrap(),
        (WorldKey::Name(name), item) => format!("{name}: {item:?}"),
    }
}

fn defined(resolve: &Resolve, name: &str, definition: &TypeDef) -> String {
    let case = |name: &str, ty: Option<&Type>| ty.map_or_else(|| name.to_owned(), |ty| format!("{name}({})", shown(resolve, ty)));
    let body = match &definition.kind {
        TypeDefKind::Record(record) => {
            record.fields.iter().map(|field| format!("{}: {}", field.name, shown(resolve, &field.ty))).collect::<Vec<_>>().join(", ")
        }
        TypeDefKind::Variant(variant) => {
            variant.cases.iter().map(|known| case(&known.name, known.ty.as_ref())).collect::<Vec<_>>().join(", ")
        }
        TypeDefKind::Enum(known) => known.cases.iter().map(|case| case.name.clone()).collect::<Vec<_>>().join(", "),
        TypeDefKind::Flags(flags) => flags.flags.iter().map(|flag| flag.name.clone()).collect::<Vec<_>>().join(", "),
        TypeDefKind::Resource => return format!("resource {name}"),
        TypeDefKind::Type(Type::Id(id)) if resolve.types[*id].owner != definition.owner => return format!("use {}", owned(resolve, *id)),
        other => return format!("type {name} = {}", kind(resolve, other)),
    };
    format!("{} {name} {{ {body} }}", definition.kind.as_str())
}

/// Returns `INTERFACE.NAME`.
fn owned(resolve: &Resolve, id: wit_parser::TypeId) -> String {
    let definition = &resolve.types[id];
    let TypeOwner::Interface(interface) = definition.owner else { panic!("every type belongs to an interface: {definition:?}") };
    format!("{}.{}", resolve.interfaces[interface].name.as_deref().unwrap(), definition.name.as_deref().unwrap())
}

/// The names of functions are the component model's own: `[method]request.send`.
fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<_> = function.params.iter().map(|param| format!("{}: {}", param.name, shown(resolve, &param.ty))).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", shown(resolve, ty))).unwrap_or_default();
    format!("{}({}){result}", function.name, params.join(", "))
}

fn shown(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Id(id) => {
            let definition = &resolve.types[*id];
            definition.name.clone().unwrap_or_else(|| kind(resolve, &definition.kind))
        }
        plain => format!("{plain:?}").to_lowercase(),
    }
}

fn kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let inner = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| shown(resolve, ty));
    match kind {
        TypeDefKind::Type(ty) => shown(resolve, ty),
        TypeDefKind::Option(ty) => format!("option<{}>", shown(resolve, ty)),
        TypeDefKind::List(ty) => format!("list<{}>", shown(resolve, ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", inner(&result.ok), inner(&result.err)),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(|ty| shown(resolve, ty)).collect::<Vec<_>>().join(", ")),
        TypeDefKind::Handle(Handle::Own(id)) => shown(resolve, &Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", shown(resolve, &Type::Id(*id))),
        other => panic!("teach this test how to write {other:?}"),
    }
}

/// Returns the lines of a snapshot behind its head.
fn pinned(snapshot: &str) -> Vec<&str> {
    snapshot.lines().skip_while(|line| !line.starts_with("package ")).collect()
}

#[test]
fn nothing_that_plugins_were_compiled_with_is_changed_or_gone() {
    let now = shape();
    let now: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let before = pinned(PINNED);
    assert!(before.len() > 100, "the snapshot was cut");
    let broken: Vec<_> = before.iter().filter(|line| !now.contains(**line)).collect();
    assert!(broken.is_empty(), "this breaks every compiled plugin; add a function or an interface instead (docs/wit.md): {broken:#?}");
}

#[test]
fn what_is_new_is_pinned_too() {
    insta::assert_snapshot!("shape", shape().join("\n"));
}

#[test]
fn every_item_is_documented() {
    for folder in WORLDS {
        documented(folder);
    }
}

fn documented(folder: &str) {
    let (resolve, package) = world(folder);
    let mut bare = Vec::new();
    let mut look = |path: String, docs: &Docs| {
        if docs.is_empty() {
            bare.push(path);
        }
    };
    for (name, &id) in &resolve.packages[package].interfaces {
        let interface: &Interface = &resolve.interfaces[id];
        look(name.clone(), &interface.docs);
        for (function, known) in &interface.functions {
            look(format!("{name}.{function}"), &known.docs);
        }
        for (of_type, &id) in &interface.types {
            let definition = &resolve.types[id];
            match &definition.kind {
                // It is documented where it is defined.
                TypeDefKind::Type(Type::Id(id)) if resolve.types[*id].owner != definition.owner => continue,
                TypeDefKind::Record(record) => {
                    record.fields.iter().for_each(|field| look(format!("{name}.{of_type}.{}", field.name), &field.docs));
                }
                TypeDefKind::Variant(variant) => {
                    variant.cases.iter().for_each(|case| look(format!("{name}.{of_type}.{}", case.name), &case.docs));
                }
                // The cases of an enum are words that say what they are.
                _ => {}
            }
            look(format!("{name}.{of_type}"), &definition.docs);
        }
    }
    assert!(bare.is_empty(), "{folder}: these say nothing of themselves: {bare:#?}");
}
