//! What a component is made of: imports and exports, each compared with the plugin world of this relrun, and what it was made with.
//!
//! It looks at types alone. Whether a component runs, the host says.

use std::collections::BTreeSet;
use wit_bindgen_core::wit_parser::{Function, Handle, Interface, Resolve, Type, TypeDefKind, TypeId, WorldItem, WorldKey};
use wit_component::DecodedWasm;

/// The plugin world that SDKs are for.
pub const WIT: &str = include_str!("../../../wit/plugin.wit");
/// The next one, which imports what it keeps of the other.
const NEXT: &str = include_str!("../../../wit/0.2/plugin.wit");

/// A component could not be taken apart.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AnatomyError {
    /// The bytes are no component.
    #[error("it is no component: {0}")]
    #[diagnostic(code(relrun::plugin::anatomy), help("a plugin is a WASI 0.2 component; `relrun plugin build` makes one"))]
    NoComponent(String),
}

/// What a component is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// What it needs of its host.
    pub imports: Vec<Part>,
    /// What it offers.
    pub exports: Vec<Part>,
}

/// One import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name: `relrun:plugin/http@0.1.1`.
    pub name: String,
    /// The functions of the interface, as the component names them.
    pub functions: Vec<String>,
    /// Why it does not fit the world. Absent where it does.
    pub faults: Vec<String>,
}

impl Anatomy {
    /// Takes a component apart.
    pub fn of(component: &[u8]) -> Result<Self, AnatomyError> {
        let unfit = |error: &dyn std::fmt::Display| AnatomyError::NoComponent(error.to_string());
        // The decoder takes the text of an interface too, and what is empty for one.
        if !component.starts_with(b"\0asm\x0d\0\x01\0") {
            return Err(unfit(&"it does not begin as one"));
        }
        let (resolve, world) = match wit_component::decode(component).map_err(|error| unfit(&format!("{error:#}")))? {
            DecodedWasm::Component(resolve, world) => (resolve, world),
            DecodedWasm::WitPackage(..) => return Err(unfit(&"it holds the text of an interface alone")),
        };
        let own = Own::read().map_err(|error| unfit(&error))?;
        let items = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>, side: Side| -> Vec<Part> {
            items.filter_map(|(key, item)| own.compare(&resolve, key, item, side)).collect()
        };
        let found = &resolve.worlds[world];
        let imports = items(&mut found.imports.iter(), Side::Import);
        let mut exports = items(&mut found.exports.iter(), Side::Export);
        if !exports.iter().any(|part| part.name.starts_with("relrun:plugin/step@")) {
            exports.push(Part {
                name: "relrun:plugin/step".to_owned(),
                functions: Vec::new(),
                faults: vec!["it is not exported, and every plugin exports it".to_owned()],
            });
        }
        Ok(Self { imports, exports })
    }

    /// Returns every fault, each with the part that it is of.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.imports.iter().chain(&self.exports);
        parts.flat_map(|part| part.faults.iter().map(|fault| (part.name.as_str(), fault.as_str())))
    }

    /// Returns the interfaces of the plugin world that it imports, without package and version: `http`.
    pub fn reaches(&self) -> BTreeSet<&str> {
        let names = self.imports.iter().filter_map(|part| part.name.strip_prefix("relrun:plugin/")?.split('@').next());
        // Types alone reach nothing.
        names.filter(|name| *name != "types").collect()
    }
}

/// Which side of a component is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Import,
    Export,
}

/// The worlds of this relrun.
struct Own(Resolve);

impl Own {
    fn read() -> Result<Self, String> {
        let mut resolve = Resolve::default();
        resolve.push_source("plugin-0.1.wit", WIT).map_err(|error| format!("{error:#}"))?;
        resolve.push_source("plugin.wit", NEXT).map_err(|error| format!("{error:#}"))?;
        Ok(Self(resolve))
    }

    /// Compares an item with the world. Types beside the interfaces are nobody's business.
    fn compare(&self, theirs: &Resolve, key: &WorldKey, item: &WorldItem, side: Side) -> Option<Part> {
        let name = match (key, item) {
            (_, WorldItem::Type { .. }) => return None,
            (WorldKey::Name(name), _) => name.clone(),
            (WorldKey::Interface(id), _) => theirs.id_of(*id).unwrap_or_default(),
        };
        let WorldItem::Interface { id, .. } = item else {
            // Toolchains export functions of their own, which nobody calls; a function that is imported is nobody's to give.
            let faults = if side == Side::Import { vec!["relrun offers no single function".to_owned()] } else { Vec::new() };
            return Some(Part { functions: vec![name.clone()], name, faults });
        };
        let interface = &theirs.interfaces[*id];
        let functions = interface.functions.keys().cloned().collect();
        let faults = match name.strip_prefix("relrun:plugin/").and_then(|rest| rest.split_once('@')) {
            Some((short, version)) => self.compare_interface(theirs, interface, short, version, side),
            None if side == Side::Import && !is_wasi(&name) => vec![format!("relrun offers no {name}")],
            None => Vec::new(),
        };
        Some(Part { name, functions, faults })
    }

    fn compare_interface(&self, theirs: &Resolve, interface: &Interface, short: &str, version: &str, side: Side) -> Vec<String> {
        let Some(minor) = ["0.1.", "0.2."].into_iter().find(|minor| version.starts_with(minor)) else {
            return vec![format!("it is of the version {version}; this relrun runs 0.1 and 0.2")];
        };
        let Some(ours) = self.find(short, minor) else {
            return match side {
                Side::Import => vec![format!("this relrun has no interface `{short}` of {version}: it may be newer than this relrun")],
                Side::Export => Vec::new(),
            };
        };
        let mut faults = Vec::new();
        // Of what is imported, each function must be there; of what is exported, each that the host calls.
        let (asked, given) = if side == Side::Import { (interface, ours) } else { (ours, interface) };
        for (name, function) in &asked.functions {
            let Some(other) = given.functions.get(name) else {
                let who = if side == Side::Import { "this relrun" } else { "it" };
                faults.push(format!("{who} has no function `{name}` there"));
                continue;
            };
            let (wanted, found) = if side == Side::Import { (other, function) } else { (function, other) };
            let (wanted, found) = (signature(&self.0, wanted), signature(theirs, found));
            if wanted != found {
                faults.push(format!("`{name}` is {found}, and should be {wanted}"));
            }
        }
        faults
    }

    /// Returns the interface of a name, in the package of a minor version.
    fn find(&self, short: &str, minor: &str) -> Option<&Interface> {
        self.0.interfaces.iter().map(|(_, interface)| interface).find(|interface| {
            let package = interface.package.map(|package| &self.0.packages[package].name);
            let version = package.and_then(|package| package.version.as_ref()).map(ToString::to_string);
            interface.name.as_deref() == Some(short) && version.is_some_and(|version| version.starts_with(minor))
        })
    }
}

fn is_wasi(name: &str) -> bool {
    const PACKAGES: [&str; 7] = ["wasi:cli", "wasi:io", "wasi:clocks", "wasi:random", "wasi:filesystem", "wasi:http", "wasi:sockets"];
    let parts = name.split_once('/').and_then(|(package, rest)| Some((package, rest.split_once('@')?.1)));
    parts.is_some_and(|(package, version)| PACKAGES.contains(&package) && version.starts_with("0.2."))
}

/// Writes a function's type so that two of them are the same where the types have the same structure.
fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> = function.params.iter().map(|param| format!("{}: {}", param.name, type_text(resolve, &param.ty, 0))).collect();
    let result = function.result.as_ref().map(|result| format!(" -> {}", type_text(resolve, result, 0))).unwrap_or_default();
    format!("func({}){result}", params.join(", "))
}

/// Types of the world are nested four deep; a component of nonsense may be nested deeper.
const DEEPEST: usize = 32;

fn type_text(resolve: &Resolve, kind: &Type, depth: usize) -> String {
    match kind {
        Type::Id(id) if depth < DEEPEST => defined_text(resolve, *id, depth + 1),
        Type::Id(_) => "…".to_owned(),
        plain => format!("{plain:?}").to_lowercase(),
    }
}

fn defined_text(resolve: &Resolve, id: TypeId, depth: usize) -> String {
    let found = &resolve.types[id];
    let name = found.name.as_deref().unwrap_or_default();
    let text = |kind: &Type| type_text(resolve, kind, depth);
    let maybe = |kind: &Option<Type>| kind.as_ref().map_or_else(|| "_".to_owned(), text);
    let list = |parts: Vec<String>| parts.join(", ");
    match &found.kind {
        TypeDefKind::Type(other) => text(other),
        TypeDefKind::Option(inner) => format!("option<{}>", text(inner)),
        TypeDefKind::List(inner) => format!("list<{}>", text(inner)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", maybe(&result.ok), maybe(&result.err)),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", list(tuple.types.iter().map(text).collect())),
        TypeDefKind::Handle(Handle::Own(id)) => resolve.types[*id].name.clone().unwrap_or_default(),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", resolve.types[*id].name.as_deref().unwrap_or_default()),
        TypeDefKind::Resource => name.to_owned(),
        TypeDefKind::Record(record) => {
            format!("{name} {{ {} }}", list(record.fields.iter().map(|field| format!("{}: {}", field.name, text(&field.ty))).collect()))
        }
        TypeDefKind::Variant(variant) => {
            let case =
                |name: &str, kind: &Option<Type>| kind.as_ref().map_or_else(|| name.to_owned(), |kind| format!("{name}({})", text(kind)));
            format!("{name} {{ {} }}", list(variant.cases.iter().map(|found| case(&found.name, &found.ty)).collect()))
        }
        TypeDefKind::Enum(words) => format!("{name} {{ {} }}", list(words.cases.iter().map(|case| case.name.clone()).collect())),
        TypeDefKind::Flags(flags) => format!("{name} {{ {} }}", list(flags.flags.iter().map(|flag| flag.name.clone()).collect())),
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests;
