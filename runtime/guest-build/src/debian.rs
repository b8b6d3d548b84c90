//! The Debian way: a compiler of the same generation from Debian's packages, unpacked without root, and std built once.
//!
//! The packages are never installed, for they conflict with rustup's; nothing outside the cache folder changes. Debian packages no
//! `wasm-component-ld` and no `rust-lld`: those of the active Rust link what Debian's compiler compiles.

mod apt;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use self::apt::Apt;
use crate::cache::Recipe;
use crate::error::IoContext as _;
use crate::run::{say, stream};
use crate::{Error, Machine};

/// Names this recipe in the cache. Raise the number when [`Packages::make`] changes, so that older toolchains are not taken.
pub(crate) const RECIPE: &str = "-recipe1";

/// What to type when the way is open and fails.
pub(crate) const HELP: &str =
    "type `sudo apt-get update`, check that bookworm-security (or a newer Debian) is among apt's sources, and try again";

/// The oldest Debian compiler that is new enough for the guests' crates.
const OLDEST: (u32, u32) = (1, 95);

/// Returns the compiler of the toolchain in `root`.
pub(crate) fn rustc(root: &Path) -> PathBuf {
    root.join("bin/rustc")
}

/// Finds the folder of the sysroot's shared libraries at run time, so that the toolchain may be moved.
const WRAPPER: &str = "#!/bin/sh\nroot=${0%/*}/..\nLD_LIBRARY_PATH=\"$root/usr/lib/LIBS\" exec \"$root/usr/bin/rustc\" \"$@\"\n";

/// The recipe.
pub(crate) struct Packages<'m> {
    machine: &'m Machine,
    found: Option<(Apt<'m>, String)>,
}

impl<'m> Packages<'m> {
    pub(crate) fn new(machine: &'m Machine) -> Self {
        Self { machine, found: None }
    }

    /// Returns apt and the version of the compiler that it offers, from the system's package lists or, where these are missing or too
    /// old, from lists of our own.
    fn find(&self, scratch: &Path, progress: &mut dyn Write) -> Result<(Apt<'m>, String), Error> {
        let apt = Apt::of_system(self.machine);
        if let Some(version) = apt.candidate("rustc-web")?.filter(|version| new_enough(version)) {
            return Ok((apt, version));
        }
        say(progress, "asking Debian's package lists");
        let apt = Apt::with_own_lists(self.machine, &scratch.join("apt"), progress)?;
        let version = apt.candidate("rustc-web")?;
        match version.filter(|version| new_enough(version)) {
            Some(version) => Ok((apt, version)),
            None => Err(apt.unusable("rustc-web", &format!("{}.{} or newer", OLDEST.0, OLDEST.1))),
        }
    }

    fn unpack(&self, apt: &Apt<'_>, version: &str, root: &Path, scratch: &Path, progress: &mut dyn Write) -> Result<(), Error> {
        let packages = apt.with_libraries(&["rustc-web", "rust-web-src", "wasi-libc"])?;
        let pinned: Vec<String> = packages
            .into_iter()
            .map(|package| if package.starts_with("rust") { format!("{package}={version}") } else { package })
            .collect();
        let debs = scratch.join("debs");
        fs::create_dir_all(&debs).doing(|| format!("make {}", debs.display()))?;
        say(progress, &format!("downloading {}", pinned.join(" ")));
        apt.download(&pinned, &debs, progress)?;
        say(progress, "unpacking");
        for deb in files(&debs)? {
            let mut command = self.machine.command("dpkg");
            command.arg("-x").arg(&deb).arg(root);
            stream(command, progress)?;
        }
        Ok(())
    }

    fn build_std(&self, root: &Path, scratch: &Path, progress: &mut dyn Write) -> Result<PathBuf, Error> {
        let sources = only(&root.join("usr/src"), |name| name.starts_with("rustc-"))?;
        let target = scratch.join("std");
        let flags = format!("-Zforce-unstable-if-unmarked\u{1f}-Cembed-bitcode=yes\u{1f}--remap-path-prefix={}=rustc", sources.display());
        say(progress, "building std");
        let mut command = self.machine.cargo();
        command
            .current_dir(sources.join("library"))
            .env("RUSTC", rustc(root))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .args(["build", "--locked", "--manifest-path", "sysroot/Cargo.toml", "--release", "--target", crate::TARGET])
            .args(["--features", "panic-unwind,backtrace", "--target-dir"])
            .arg(&target);
        stream(command, progress)?;
        Ok(target.join(crate::TARGET).join("release/deps"))
    }
}

impl Recipe for Packages<'_> {
    fn key(&mut self, scratch: &Path, progress: &mut dyn Write) -> Result<String, Error> {
        let (apt, version) = self.find(scratch, progress)?;
        let key = version.replace(['/', ':'], "_");
        self.found = Some((apt, version));
        Ok(key)
    }

    fn make(&mut self, root: &Path, scratch: &Path, progress: &mut dyn Write) -> Result<(), Error> {
        let (apt, version) = match self.found.take() {
            Some(found) => found,
            None => self.find(scratch, progress)?,
        };
        if let Err(error) = self.unpack(&apt, &version, root, scratch, progress) {
            if apt.has_own_lists() {
                return Err(error);
            }
            // Lists of last month name packages that the mirror has replaced since.
            say(progress, "the system's package lists are out of date; asking again");
            let apt = Apt::with_own_lists(self.machine, &scratch.join("apt"), progress)?;
            self.unpack(&apt, &version, root, scratch, progress)?;
        }
        write_wrapper(root)?;
        let deps = self.build_std(root, scratch, progress)?;
        lay_out(root, &deps)?;
        for folder in ["usr/src", "usr/share", "usr/lib/rustlib/src"] {
            remove(&root.join(folder))?;
        }
        Ok(())
    }
}

/// Writes `bin/rustc`, which tells Debian's compiler where its libraries were unpacked.
fn write_wrapper(root: &Path) -> Result<(), Error> {
    let libs = only(&root.join("usr/lib"), |name| name.ends_with("-linux-gnu"))?;
    let libs = libs.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let wrapper = rustc(root);
    fs::create_dir_all(root.join("bin"))
        .and_then(|()| fs::write(&wrapper, WRAPPER.replace("LIBS", &libs)))
        .and_then(|()| make_executable(&wrapper))
        .doing(|| format!("write {}", wrapper.display()))
}

fn make_executable(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    // Elsewhere there is no dpkg, and nobody comes here.
    let _ = path;
    Ok(())
}

/// Copies std and wasi-libc to where the compiler looks for them.
fn lay_out(root: &Path, deps: &Path) -> Result<(), Error> {
    let lib = root.join("usr/lib/rustlib").join(crate::TARGET).join("lib");
    let own = lib.join("self-contained");
    fs::create_dir_all(&own).doing(|| format!("make {}", own.display()))?;
    for file in files(deps)? {
        if matches!(file.extension().and_then(OsStr::to_str), Some("rlib" | "rmeta")) {
            copy(&file, &lib)?;
        }
    }
    let libc = root.join("usr/lib/wasm32-wasi");
    ["libc.a", "crt1-command.o", "crt1-reactor.o"].into_iter().try_for_each(|name| copy(&libc.join(name), &own))
}

fn copy(file: &Path, folder: &Path) -> Result<(), Error> {
    let to = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &to).map(drop).doing(|| format!("copy {} to {}", file.display(), to.display()))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).doing(|| format!("read {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}

fn only(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf, Error> {
    let entries = fs::read_dir(folder).doing(|| format!("read {}", folder.display()))?;
    let mut found = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(&wanted));
    let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "a package has another layout than expected");
    found.next().map(|entry| entry.path()).ok_or_else(missing).doing(|| format!("find the toolchain's parts in {}", folder.display()))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { doing: format!("remove {}", path.display()), source: error })
        }
        _ => Ok(()),
    }
}

/// Whether a Debian version such as `1.96.0+dfsg1-1~deb12u2` is at least [`OLDEST`].
fn new_enough(version: &str) -> bool {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_versions_are_compared_by_number() {
        assert!(new_enough("1.96.0+dfsg1-1~deb12u2"));
        assert!(new_enough("1.100.0-1"));
        assert!(new_enough("2.0"));
        assert!(!new_enough("1.85.0+dfsg3-1~deb12u3"));
        assert!(!new_enough("(none)"));
        assert!(!new_enough(""));
    }

    #[test]
    fn the_wrapper_finds_the_libraries_beside_itself() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib/x86_64-linux-gnu")).unwrap();
        fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        fs::write(root.path().join("usr/bin/rustc"), "#!/bin/sh\necho \"$LD_LIBRARY_PATH $1\"\n").unwrap();
        make_executable(&root.path().join("usr/bin/rustc")).unwrap();
        write_wrapper(root.path()).unwrap();
        let output = std::process::Command::new(rustc(root.path())).arg("--version").output().unwrap();
        let expected = format!("{}/bin/../usr/lib/x86_64-linux-gnu --version\n", root.path().display());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }

    #[test]
    fn a_package_of_another_layout_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        let error = write_wrapper(root.path()).expect_err("there are no libraries");
        assert!(error.to_string().ends_with("a package has another layout than expected"), "{error}");
    }
}
