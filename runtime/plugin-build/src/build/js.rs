//! JavaScript and TypeScript: esbuild makes one file of the plugin and the SDK, `componentize-qjs` a component of it with the `QuickJS` engine.

use super::bindings;
use super::surroundings::{run, tool};
use super::tools::{Npm, node};
use super::{BuildError, Job, Surroundings, Toolchain, Watch};
use std::fs;
use std::path::{Path, PathBuf};

const TOOLS: Npm = Npm { name: "javascript", packages: &[("componentize-qjs", "0.4.5"), ("esbuild", "0.28.2")], size: "40 MB" };

/// JavaScript, or with types TypeScript.
pub(super) struct Js {
    /// TypeScript.
    pub(super) typed: bool,
}

impl Js {
    fn entry(&self) -> &'static str {
        if self.typed { "src/plugin.ts" } else { "src/plugin.js" }
    }
}

impl Toolchain for Js {
    fn pins(&self) -> String {
        TOOLS.pin()
    }

    fn build(&self, job: &Job, around: &Surroundings, watch: &mut dyn Watch) -> Result<Vec<u8>, BuildError> {
        let node = node(around)?;
        let tools = TOOLS.ensure(around, watch)?.join("node_modules");
        let wit = world(job)?;
        let entry = job.folder.join(job.project.entry.as_deref().unwrap_or(self.entry()));
        if !entry.is_file() {
            let message = format!("there is no {}, where its code should begin; `entry` in plugin.kdl names another file", entry.display());
            return Err(BuildError::NoComponent(message));
        }
        let start = job.build.join("entry.mjs");
        let code = format!(
            "import {{ exported }} from \"relrun-sdk/component\";\nimport plugin from {:?};\nexport const {{ step, adoption }} = exported(plugin);\n",
            text(&entry)?
        );
        fs::write(&start, code).map_err(|source| BuildError::io("write", &start, source))?;
        let bundle = job.build.join("bundle.mjs");
        watch.doing("bundling with esbuild");
        let mut command = around.command(esbuild(&tools)?);
        command.current_dir(&job.folder).arg(&start);
        command.args(["--bundle", "--format=esm", "--platform=neutral", "--main-fields=module,main", "--target=es2022"]);
        command.arg(format!("--alias:relrun-sdk={}", text(&job.sdk.join("src"))?));
        command.args(["--external:relrun:*", "--external:wasi:*", "--log-level=warning"]);
        command.arg(format!("--outfile={}", text(&bundle)?));
        run(command, "esbuild", watch)?.good("esbuild", None)?;
        watch.doing("building with componentize-qjs");
        let output = job.build.join("component.wasm");
        let mut command = around.command(tools.join(".bin/componentize-qjs"));
        // Its launcher looks for node on the path.
        command.current_dir(&job.folder).env("PATH", around.path_with(node.parent().unwrap_or(Path::new("/"))));
        command.args(["--sync", "--opt-size", "-m", "-w"]).arg(&wit).args(["-n", "guest", "-j"]).arg(&bundle).arg("-o").arg(&output);
        let ended = run(command, "componentize-qjs", watch)?;
        if !ended.is_good() {
            return Err(tool("componentize-qjs", ended.how(), &[own_words(&ended.log.join("\n"))], None));
        }
        fs::read(&output).map_err(|source| BuildError::io("read", &output, source))
    }
}

/// Lays the SDK's world out as the tool wants it: with what it imports beside the plugin world.
fn world(job: &Job) -> Result<PathBuf, BuildError> {
    let folder = job.build.join("wit");
    let parts = [("world/guest.wit", "guest.wit"), ("world/filesystem.wit", "deps/filesystem.wit"), ("wit/plugin.wit", "deps/plugin.wit")];
    let mut files = Vec::new();
    for (from, to) in parts {
        let path = job.sdk.join(from);
        files.push((to.to_owned(), fs::read(&path).map_err(|source| BuildError::io("read", &path, source))?));
    }
    bindings::write(&folder, &files)?;
    Ok(folder)
}

/// Returns esbuild itself: the file that npm puts on the path is a wrapper in JavaScript, whose own stack hides what esbuild says.
fn esbuild(tools: &Path) -> Result<PathBuf, BuildError> {
    let platforms = tools.join("@esbuild");
    let entries = fs::read_dir(&platforms).map_err(|source| BuildError::io("read", &platforms, source))?;
    let found = entries.flatten().map(|entry| entry.path().join("bin/esbuild")).find(|path| path.is_file());
    found.ok_or_else(|| BuildError::Missing {
        tool: "esbuild".to_owned(),
        why: format!("npm put none for this platform into {}", platforms.display()),
        help: format!("remove {} and build again", tools.parent().unwrap_or(tools).display()),
    })
}

/// Of what the tool says, the plugin's own error.
fn own_words(log: &str) -> String {
    const PROLOGUE: &str = "Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation: ";
    let own = log.find("Error: ").map_or(log, |at| &log[at..]);
    let own = own.split("wasm backtrace").next().unwrap_or(own);
    own.replace(PROLOGUE, "").trim().to_owned()
}

fn text(path: &Path) -> Result<&str, BuildError> {
    path.to_str().ok_or_else(|| BuildError::NoComponent(format!("the path {} is no UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use super::own_words;

    #[test]
    fn the_plugins_own_error_is_shown() {
        let log = "noise\nError: Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation: x is not defined\n  wasm backtrace:\n 0: a\n";
        assert_eq!(own_words(log), "Error: x is not defined");
        assert_eq!(own_words("something else"), "something else");
    }
}
