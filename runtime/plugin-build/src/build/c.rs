//! C: zig as the compiler, the machine's or one from `PyPI`: it brings WASI's libc along.

use super::bindings::{self, Embedded};
use super::surroundings::{answer, run};
use super::tools::Pypi;
use super::{BuildError, Job, Surroundings, Toolchain, Watch};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

const ZIG: Pypi = Pypi { package: "ziglang", version: "0.17.1", size: "100 MB" };
/// Versions of zig change its command line; only this one was tried.
const SERIES: &str = "0.17.";

pub(super) struct C;

impl Toolchain for C {
    fn pins(&self) -> String {
        ZIG.pin()
    }

    fn build(&self, job: &Job, around: &Surroundings, watch: &mut dyn Watch) -> Result<Vec<u8>, BuildError> {
        let zig = zig(around, watch)?;
        let folder = job.build.join("bindings");
        bindings::write(&folder, &bindings::generate(job, wit_bindgen_c::Opts::default().build())?)?;
        watch.doing("building with zig cc (the first time it compiles WASI's libc too)");
        let core = job.build.join("core.wasm");
        let mut command = around.command(&zig);
        let cache = around.tools().join("zig-cache");
        command.current_dir(&job.folder).env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
        command.args(["cc", "--target=wasm32-wasi", "-mexec-model=reactor", "-std=c11", "-Os", "-flto", "-Wall", "-Wextra"]);
        command.arg("-I").arg(job.sdk.join("include")).arg("-I").arg(&folder).arg("-o").arg(&core);
        command.args(sources(&job.folder.join(job.project.entry.as_deref().unwrap_or("src")))?);
        command.args(sources(&job.sdk.join("src"))?).arg(folder.join("adopting_plugin_component_type.o"));
        command.args(["-Wl,--strip-all", "-Wl,-z,stack-size=1048576"]);
        run(command, "zig cc", watch)?.good("zig cc", None)?;
        // The object file among the bindings says which world it is for.
        bindings::component(job, &core, Embedded::Yes)
    }
}

fn zig(around: &Surroundings, watch: &mut dyn Watch) -> Result<PathBuf, BuildError> {
    if let Some(found) = around.find("zig") {
        let mut command = around.command(&found);
        command.arg("version");
        if answer(command).is_some_and(|version| version.starts_with(SERIES)) {
            return Ok(found);
        }
    }
    let place = ZIG.ensure(around, watch).map_err(|error| match error {
        BuildError::Missing { tool, why, .. } => BuildError::Missing {
            tool: "zig".to_owned(),
            why: format!("there is no `zig` {SERIES}x on the PATH, and none can be fetched, because {tool} is missing too: {why}"),
            help: "install zig 0.17 (https://ziglang.org/download/), or Python 3.10 with pip".to_owned(),
        },
        other => other,
    })?;
    Ok(place.join("ziglang/zig"))
}

/// Returns the C files of a folder, in order.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let entries = fs::read_dir(folder).map_err(|source| BuildError::io("read", folder, source))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension() == Some(OsStr::new("c"))).collect();
    found.sort();
    if found.is_empty() {
        return Err(BuildError::NoComponent(format!("there is no C file in {}", folder.display())));
    }
    Ok(found)
}
