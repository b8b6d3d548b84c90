//! A line added to a manifest, with everything else left as it was: comments, order, white space.

use kdl::{KdlDocument, KdlNode};

use crate::SupplyError;
use crate::nodes::quoted;

/// Adds a `plugin` line after the last one, or after `package`. Returns nothing where the very line is there.
///
/// # Errors
/// Where the name stands for another plugin, or the text is no manifest.
pub fn add_plugin(file: &str, text: &str, name: &str, from: &str, digest: Option<&str>) -> Result<Option<String>, SupplyError> {
    let parsed = |text: &str| {
        let help = "correct the manifest first: `relrun check` says what is wrong with it";
        KdlDocument::parse_v2(text).map_err(|error| SupplyError::wrong(format!("{file} cannot be read: {error}"), help))
    };
    let document = parsed(text)?;
    let named = |node: &&KdlNode| node.name().value() == "plugin" && node.get(0).and_then(kdl::KdlValue::as_string) == Some(name);
    if let Some(there) = document.nodes().iter().find(named) {
        let said = |prop: &str| there.get(prop).and_then(kdl::KdlValue::as_string);
        if said("from") == Some(from) && said("digest") == digest {
            return Ok(None);
        }
        return Err(SupplyError::wrong(
            format!("{file} has a plugin \"{name}\" already, from {}", said("from").unwrap_or("elsewhere")),
            "choose another name with `--name`, or change that line by hand and type `relrun plugin update`",
        ));
    }
    let last = |name: &str| document.nodes().iter().rfind(|node| node.name().value() == name);
    let digest = digest.map_or_else(String::new, |digest| format!(" digest={}", quoted(digest)));
    let line = format!("plugin {} from={}{digest}\n", quoted(name), quoted(from));
    let (at, line) = match (last("plugin"), last("package")) {
        (Some(node), _) | (None, Some(node)) => {
            let end = node.span().offset() + node.span().len();
            let rest = text.get(end..).unwrap_or_default();
            match rest.find('\n') {
                // A comment behind the node stays behind it.
                Some(newline) if rest[..newline].trim().is_empty() || rest[..newline].trim_start().starts_with("//") => {
                    (end + newline + 1, line)
                }
                _ => (text.len(), format!("\n{line}")),
            }
        }
        (None, None) => (0, line),
    };
    let edited = format!("{}{line}{}", &text[..at], &text[at..]);
    // What was added must be read as what it is, and nothing else may be read otherwise.
    let again = parsed(&edited)?;
    let count = again.nodes().iter().filter(named).count();
    if count == 1 && again.nodes().len() == document.nodes().len() + 1 {
        return Ok(Some(edited));
    }
    Err(SupplyError::wrong(format!("{file} could not be changed"), format!("add the line yourself: {}", line.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn added(text: &str) -> String {
        add_plugin("release.kdl", text, "audit", "oci://r.example/audit:1", None).unwrap().unwrap()
    }

    const LINE: &str = "plugin \"audit\" from=\"oci://r.example/audit:1\"\n";

    #[test]
    fn everything_else_stays_as_it_was() {
        let package = "// head\npackage   \"a/b\" version=\"1.@\" {   // why\n  description \"x\"\n} // end\n\n\n/* more */ step \"s\" plugin=\"audit\"\n";
        let edited = added(package);
        assert_eq!(edited.replace(LINE, ""), package);
        assert!(edited.contains(&format!("}} // end\n{LINE}\n\n/* more */")), "{edited}");
        let with = "package \"a/b\" version=\"1.@\"\nplugin \"x\" from=\"./x.wasm\" // mine\ninput \"i\"\n";
        assert_eq!(added(with), with.replace("// mine\n", &format!("// mine\n{LINE}")));
        assert_eq!(added("package \"a/b\" version=\"1.@\""), format!("package \"a/b\" version=\"1.@\"\n{LINE}"));
        assert_eq!(added(""), LINE);
    }

    #[test]
    fn a_name_is_taken_once() {
        let there = format!("package \"a/b\" version=\"1.@\"\n{LINE}");
        assert_eq!(add_plugin("release.kdl", &there, "audit", "oci://r.example/audit:1", None).unwrap(), None);
        let error = add_plugin("release.kdl", &there, "audit", "oci://r.example/audit:2", None).unwrap_err().to_string();
        assert_eq!(error, "release.kdl has a plugin \"audit\" already, from oci://r.example/audit:1");
        let pinned = add_plugin("release.kdl", "", "a", "https://e.example/a.wasm", Some("sha256:1")).unwrap().unwrap();
        assert_eq!(pinned, "plugin \"a\" from=\"https://e.example/a.wasm\" digest=\"sha256:1\"\n");
    }

    proptest! {
        #[test]
        fn any_text_is_edited_or_refused(text in "(package \"a/b\"\n)?\\PC{0,60}", name in "\\PC{0,10}") {
            let _ = add_plugin("release.kdl", &text, &name, "x", None);
        }
    }
}
