//! Whole runs of [`ensure`] on machines that are made up of shell scripts.
#![expect(clippy::unwrap_used, reason = "a helper's panic is how its test fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A folder with a Rust that lacks the target, and a PATH of its own.
struct Fake {
    root: tempfile::TempDir,
}

impl Fake {
    fn new() -> Self {
        let fake = Self { root: tempfile::tempdir().unwrap() };
        for linker in ["rust-lld", "wasm-component-ld"] {
            fake.program(&format!("rust/lib/rustlib/host/bin/{linker}"), "exit 0");
        }
        fake
    }

    fn program(&self, path: &str, script: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn machine(&self) -> Machine {
        let vars = [
            ("CARGO", self.root.path().join("rust/bin/cargo").into_os_string()),
            ("HOME", self.root.path().join("home").into_os_string()),
            // Nothing else: a test must not meet the machine's own apt.
            ("PATH", self.root.path().join("bin").into_os_string()),
            ("RUSTUP_TOOLCHAIN", "stable".into()),
        ];
        Machine::new(vars.map(|(name, value)| (name.into(), value))).unwrap()
    }

    fn ensure(&self) -> (Result<Toolchain, Error>, String) {
        let mut progress = Vec::new();
        let result = ensure(&self.machine(), &mut progress);
        (result, String::from_utf8_lossy(&progress).into_owned())
    }

    /// Programs that answer as Debian's do, and a cargo that "builds" std.
    fn debian(&self) {
        self.program(
            "bin/apt-cache",
            "case \"$*\" in *policy*) echo '  Candidate: 1.96.0+x';; *depends*web*) echo '  Depends: libnew1.96';; esac",
        );
        self.program("bin/apt-get", "for package in \"$@\"; do case $package in rust*=*|lib*|wasi*) : > \"$package.deb\";; esac; done");
        self.program("bin/dpkg-query", "echo 'libold installed'");
        self.program(
            "bin/dpkg",
            "cd \"$3\" && mkdir -p usr/lib/x86_64-linux-gnu usr/lib/wasm32-wasi usr/src/rustc-1.96.0/library usr/bin \
             && touch usr/lib/wasm32-wasi/libc.a usr/lib/wasm32-wasi/crt1-command.o usr/lib/wasm32-wasi/crt1-reactor.o; basename \"$2\"",
        );
        self.program(
            "rust/bin/cargo",
            "while [ \"$1\" != --target-dir ]; do shift; done; mkdir -p \"$2/wasm32-wasip2/release/deps\" \
             && touch \"$2/wasm32-wasip2/release/deps/libstd.rlib\" \"$2/wasm32-wasip2/release/deps/std.d\"",
        );
    }
}

#[test]
fn rustup_adds_the_target_to_the_active_toolchain() {
    let fake = Fake::new();
    let lib = fake.root.path().join("rust/lib/rustlib/wasm32-wasip2/lib");
    fake.program("bin/rustup", &format!("echo \"rustup $*\"; mkdir -p '{}'", lib.display()));
    let (result, progress) = fake.ensure();
    assert_eq!(result.unwrap().way(), Way::Rustup);
    assert!(progress.contains("rustup target add wasm32-wasip2 --toolchain stable\n"), "{progress}");
    // And the next build finds it there.
    assert_eq!(fake.ensure().0.unwrap().way(), Way::Installed);
}

#[test]
fn where_rustup_fails_debian_takes_over() {
    let fake = Fake::new();
    fake.program("bin/rustup", "echo 'no route to host' >&2; exit 1");
    fake.debian();
    let (result, progress) = fake.ensure();
    let toolchain = result.unwrap();
    assert_eq!(toolchain.way(), Way::Debian);
    let root = fake.root.path().join("home/.cache/relrun/guest-toolchain/1.96.0+x-recipe1");
    assert_eq!(toolchain.rustc(), root.join("bin/rustc"));
    for part in ["libstd.rlib", "self-contained/libc.a", "self-contained/crt1-reactor.o"] {
        assert!(root.join("usr/lib/rustlib/wasm32-wasip2/lib").join(part).is_file(), "{part} is missing");
    }
    assert!(!root.join("usr/src").exists());
    for deb in ["rustc-web=1.96.0+x.deb", "rust-web-src=1.96.0+x.deb", "wasi-libc.deb", "libnew1.96.deb"] {
        assert!(progress.contains(deb), "{deb} was not unpacked:\n{progress}");
    }
    // The next build asks neither rustup nor apt.
    let (result, progress) = fake.ensure();
    assert_eq!((result.unwrap().way(), progress.as_str()), (Way::Made, ""));
}

#[test]
fn where_every_way_fails_the_error_says_how() {
    let fake = Fake::new();
    fake.program("bin/rustup", "echo 'no route to host' >&2; exit 1");
    fake.debian();
    fake.program("bin/apt-cache", "echo '  Candidate: 1.85.0+x'");
    let text = fake.ensure().0.expect_err("no way is open").to_string().replace(&fake.root.path().display().to_string(), "ROOT");
    insta::assert_snapshot!(text, @r"
    no toolchain for wasm32-wasip2 guests can be had here; one of these opens a way:
      1. the active Rust: ROOT/rust has no wasm32-wasip2
         type `rustup target add wasm32-wasip2`, or install your system's package of Rust's std for it
      2. rustup: failed to run `rustup target add wasm32-wasip2 --toolchain stable`: it ended with exit code 1
           | no route to host
         type `rustup target add wasm32-wasip2` to see more, for instance without a proxy
      3. Debian's packages: failed to run `apt-cache policy rustc-web`: apt offers rustc-web 1.85.0+x, and 1.95 or newer is needed
         type `sudo apt-get update`, check that bookworm-security (or a newer Debian) is among apt's sources, and try again
    ");
}

#[test]
fn a_rustup_that_adds_nothing_is_not_believed() {
    let fake = Fake::new();
    fake.program("bin/rustup", "exit 0");
    let (result, _) = fake.ensure();
    let text = result.map(|toolchain| toolchain.way()).expect_err("nothing was added").to_string();
    assert!(text.contains("rustup: it added nothing to "), "{text}");
}
