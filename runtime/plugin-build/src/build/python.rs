//! Python: `componentize-py` from `PyPI`, which carries a `CPython` of its own into the component.

use super::surroundings::{run, tool};
use super::tools::{Pypi, python};
use super::{BuildError, Job, Surroundings, Toolchain, Watch};
use std::fs;
use std::path::Path;

const TOOL: Pypi = Pypi { package: "componentize-py", version: "0.25.0", size: "50 MB" };

pub(super) struct Python;

impl Toolchain for Python {
    fn pins(&self) -> String {
        TOOL.pin()
    }

    fn build(&self, job: &Job, around: &Surroundings, watch: &mut dyn Watch) -> Result<Vec<u8>, BuildError> {
        let python = python(around)?;
        let place = TOOL.ensure(around, watch)?;
        let entry = job.build.join("entry");
        let packages = job.build.join("venv/lib/python3/site-packages");
        for folder in [&entry, &packages] {
            fs::create_dir_all(folder).map_err(|source| BuildError::io("make", folder, source))?;
        }
        let start = entry.join("relrun_entry.py");
        let module = module(job.project.entry.as_deref().unwrap_or("app.py"))?;
        // Without the first two lines the modules' compiled forms would be written beside their sources.
        let text =
            format!("import sys\nsys.dont_write_bytecode = True\nimport {module}\nfrom relrun_sdk.component import Adoption, Step\n");
        fs::write(&start, text).map_err(|source| BuildError::io("write", &start, source))?;
        own_packages(job, around, &python, &packages, watch)?;
        watch.doing("building with componentize-py (about 15 s)");
        let output = job.build.join("component.wasm");
        let mut command = around.command(&python);
        // Its own virtual environment, and an empty one, so that no package of the machine gets into the component.
        command.current_dir(&job.folder).env_remove("PYTHONHOME").env("PYTHONPATH", &place).env("VIRTUAL_ENV", job.build.join("venv"));
        command.args(["-c", "from componentize_py import script; script()", "-q", "-d"]).arg(job.sdk.join("wit"));
        command.args(["-w", "adopting-plugin", "componentize", "-p"]).arg(&entry).arg("-p").arg(&job.sdk);
        command.args(["-p", ".", "-o"]).arg(&output).arg("relrun_entry");
        let ended = run(command, "componentize-py", watch)?;
        if !ended.is_good() {
            let (reason, log) = (ended.how(), ended.log.join("\n"));
            return Err(tool("componentize-py", reason, &[traceback(&log)], None));
        }
        fs::read(&output).map_err(|source| BuildError::io("read", &output, source))
    }
}

/// Fetches what the plugin itself needs, pure Python alone.
fn own_packages(job: &Job, around: &Surroundings, python: &Path, packages: &Path, watch: &mut dyn Watch) -> Result<(), BuildError> {
    let wanted = job.folder.join("requirements.txt");
    if !wanted.is_file() {
        return Ok(());
    }
    watch.doing("fetching what requirements.txt names");
    let mut command = around.command(python);
    command.env("PIP_USER", "0").args(["-m", "pip", "install", "--upgrade", "--disable-pip-version-check", "--no-input", "--target"]);
    command.arg(packages).args(["--only-binary", ":all:", "--requirement"]).arg(&wanted);
    let doing = "fetching what requirements.txt names";
    run(command, doing, watch)?.good(doing, Some("only packages that are pure Python can be in a component"))
}

/// Returns the module of a path: `src/app.py` is `src.app`.
fn module(entry: &str) -> Result<String, BuildError> {
    let module = entry.trim_start_matches("./").strip_suffix(".py").unwrap_or(entry).replace('/', ".");
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_') && !part.starts_with(char::is_numeric);
    if module.split('.').all(plain) {
        return Ok(module);
    }
    Err(BuildError::NoComponent(format!("`entry \"{entry}\"` of plugin.kdl names no Python module")))
}

/// Of what the tool says, the plugin's own traceback; the tool's own hides it.
fn traceback(log: &str) -> String {
    let own = log.split_once("AssertionError: ").map_or(log, |(_, own)| own);
    let own = own.split_once("\n\nCaused by:").map_or(own, |(own, _)| own);
    // Paths in the component: its second and third folder are the SDK and the plugin.
    own.replace("\"/2/", "\"").replace("\"/1/", "\"SDK/").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_by_its_path() {
        assert_eq!(module("app.py").unwrap(), "app");
        assert_eq!(module("./src/release_notes.py").unwrap(), "src.release_notes");
        for wrong in ["", "my-app.py", "a/../b.py", "1.py", "import os; x"] {
            assert!(module(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_plugins_own_traceback_is_shown() {
        let log = "Traceback (most recent call last):\n  tool\nAssertionError: Traceback\n  File \"/2/app.py\", line 1\nNameError: x\n\nCaused by:\n 0: wasm\n";
        assert_eq!(traceback(log), "Traceback\n  File \"app.py\", line 1\nNameError: x");
        assert_eq!(traceback("something else"), "something else");
    }
}
