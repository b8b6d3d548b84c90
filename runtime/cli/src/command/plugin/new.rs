//! `plugin new` and `plugin vendor`: a plugin's folder, and the SDK in it.

use super::find;
use crate::args::{Cli, Format};
use crate::show;
use relrun_engine::{EngineError, Exit};
use relrun_manifest::{Language, PluginProject};
use relrun_plugin_build::scaffold::{self, ScaffoldError};
use std::path::{Path, PathBuf};

pub(super) fn new(cli: &Cli, name: &str, language: Language, dir: Option<&Path>) -> Result<Exit, EngineError> {
    let folder = dir.map_or_else(|| PathBuf::from(name), Path::to_owned);
    let written = scaffold::new(&folder, name, language).map_err(failed)?;
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "folder": folder, "name": name, "language": language, "files": written }))?;
        return Ok(Exit::Done);
    }
    let mut text = format!("{} is a plugin in {language}:\n", folder.display());
    for path in &written {
        text += &format!("  {path}\n");
    }
    text += &format!("  {}/ (the SDK)\n\nnext: cd {}, and relrun plugin test\n", PluginProject::SDK, folder.display());
    show::print(&text)?;
    Ok(Exit::Done)
}

pub(super) fn vendor(cli: &Cli, folder: &Path) -> Result<Exit, EngineError> {
    let project = find::project(folder)?;
    if project.sdk != PluginProject::SDK {
        let message = format!("the SDK of this plugin is {}, which is not this relrun's to write", project.sdk);
        return Err(EngineError::input(message, format!("remove `sdk` from plugin.kdl to have it in {}", PluginProject::SDK)));
    }
    scaffold::vendor(folder, project.language).map_err(failed)?;
    if show::format(cli) == Format::Json {
        show::print_json(&serde_json::json!({ "folder": folder.join(PluginProject::SDK), "language": project.language }))?;
    } else {
        show::print(&format!("wrote the SDK for {} to {}\n", project.language, folder.join(PluginProject::SDK).display()))?;
    }
    Ok(Exit::Done)
}

fn failed(error: ScaffoldError) -> EngineError {
    match error {
        ScaffoldError::Io { path, source } => EngineError::io(format!("write {}", path.display()), source),
        error => {
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
            EngineError::Input { message: error.to_string(), help }
        }
    }
}
