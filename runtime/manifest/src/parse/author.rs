//! `plugin.kdl`, beside a plugin's code.

use super::tree::Node;
use super::{checked, words};
use crate::author::{Language, PluginProject, is_plugin_name};
use crate::{Diagnostics, Mistake, Spanned};
use std::path::{Component, Path};

/// Parses a `plugin.kdl`.
///
/// # Errors
/// Every mistake in the file, at once.
pub fn parse_plugin_project(file_name: &str, text: &str) -> Result<PluginProject, Diagnostics> {
    let mut mistakes = Vec::new();
    let project = checked(text, words::author::PROJECT, &mut mistakes).and_then(|nodes| build(nodes.first()?, &mut mistakes));
    match project {
        Some(project) if mistakes.is_empty() => Ok(project),
        _ => Err(Diagnostics::new(file_name, text, mistakes)),
    }
}

fn build(node: &Node, out: &mut Vec<Mistake>) -> Option<PluginProject> {
    let child = |name: &str| node.child(name).and_then(|child| child.text(0));
    let name = node.text(0)?;
    if !is_plugin_name(&name) {
        let mistake = Mistake::new("relrun::manifest::name", name.span, format!("`{}` is no name for a plugin", name.value));
        out.push(mistake.help("write lower-case letters, digits and single `-`, a letter first: `release-notes`"));
    }
    let version = node.prop_text("version").and_then(|version| {
        let read = version.parse().ok();
        if read.is_none() {
            let mistake = Mistake::new("relrun::manifest::version", version.span, format!("`{}` is no version", version.value));
            out.push(mistake.help("write three numbers: `version=\"0.1.0\"`"));
        }
        read
    });
    let language = node.prop_text("language").and_then(|language| match language.parse::<Language>() {
        Ok(found) => Some(found),
        Err(reason) => {
            out.push(Mistake::new("relrun::manifest::language", language.span, reason));
            None
        }
    });
    let world = child("world");
    if let Some(world) = world.as_ref().filter(|world| !matches!(world.value.as_str(), "0.1" | "0.1.0" | "0.1.1" | "0.2" | "0.2.0")) {
        let mistake = Mistake::new("relrun::manifest::world", world.span, format!("there is no plugin world `{}`", world.value));
        out.push(mistake.help("this relrun runs plugins of the worlds `0.1` and `0.2`"));
    }
    let mut path = |name: &str| {
        let path = child(name)?;
        // The SDK of a repository's own example lies above its folder.
        if name != "sdk" && !stays_inside(&path) {
            let mistake = Mistake::new("relrun::manifest::path", path.span, format!("`{}` leaves the plugin's folder", path.value));
            out.push(mistake.help("write a path relative to the folder of plugin.kdl, without `..`"));
        }
        Some(path.value)
    };
    let (entry, output, sdk) = (path("entry"), path("output"), path("sdk"));
    let text = |text: Option<Spanned<String>>| text.map(|text| text.value);
    Some(PluginProject {
        output: output.unwrap_or_else(|| format!("build/{}.wasm", name.value)),
        name: name.value,
        version: version?,
        language: language?,
        summary: text(child("summary")),
        license: text(child("license")),
        world: text(world).unwrap_or_else(|| PluginProject::WORLD.to_owned()),
        entry,
        sdk: sdk.unwrap_or_else(|| PluginProject::SDK.to_owned()),
    })
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_its_default() {
        let project = parse_plugin_project("plugin.kdl", r#"plugin "release-notes" version="0.1.0" language="go""#).unwrap();
        assert_eq!(project.output, "build/release-notes.wasm");
        assert_eq!((project.sdk.as_str(), project.world.as_str(), project.entry), ("vendor/relrun-sdk", "0.1", None));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text =
            "plugin \"Greet\" version=\"1\" language=\"pyton\" {\n    world \"0.9\"\n    output \"../x.wasm\"\n    sumary \"x\"\n}\n";
        let wrong = parse_plugin_project("plugin.kdl", text).unwrap_err();
        let messages: Vec<&str> = wrong.mistakes().iter().map(|mistake| mistake.message.as_str()).collect();
        let expected = [
            "`Greet` is no name for a plugin",
            "`1` is no version",
            "there is no SDK for `pyton`; did you mean `python`?",
            "there is no plugin world `0.9`",
            "`../x.wasm` leaves the plugin's folder",
        ];
        for message in expected {
            assert!(messages.contains(&message), "{messages:?}");
        }
        assert!(messages.iter().any(|message| message.contains("sumary")), "{messages:?}");
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic() {
        for text in ["", "plugin", "plugin \"x\"", "{", "package \"a/b\" version=\"1\"", "plugin 1 version=2 language=3"] {
            assert!(parse_plugin_project("plugin.kdl", text).is_err(), "{text}");
        }
    }
}
