use std::fs;

use super::*;

fn vars(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

/// A machine whose Rust lies in `root/rust` and whose PATH is `root/bin`.
fn machine(root: &Path, pairs: &[(&str, &str)]) -> Machine {
    let mut vars = vars(pairs);
    vars.insert("CARGO".into(), root.join("rust/bin/cargo").into());
    vars.insert("PATH".into(), root.join("bin").into());
    fs::create_dir_all(root.join("rust/lib/rustlib")).unwrap();
    Machine::new(vars).unwrap()
}

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
}

#[test]
fn cargo_tells_where_rust_lives() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(machine(root.path(), &[]).sysroot(), root.path().join("rust"));
}

#[test]
fn without_cargo_the_compiler_is_asked() {
    let error = Machine::new(vars(&[("RUSTC", "/nonexistent/rustc")])).expect_err("there is none");
    assert!(error.to_string().starts_with("failed to find the active Rust toolchain: "), "{error}");
    let machine = Machine::new(std::env::vars_os().filter(|(name, _)| name != "CARGO" && name != "RUSTC")).unwrap();
    assert!(machine.sysroot().join("lib/rustlib").is_dir());
}

#[test]
fn the_cache_folder_follows_the_variables() {
    let root = tempfile::tempdir().unwrap();
    let folder = |pairs: &[(&str, &str)]| machine(root.path(), pairs).toolchains();
    assert_eq!(folder(&[]), None);
    assert_eq!(folder(&[("HOME", "/h")]), Some("/h/.cache/relrun/guest-toolchain".into()));
    assert_eq!(folder(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Some("/x/relrun/guest-toolchain".into()));
    let all = [("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("RELRUN_CACHE_DIR", "/r")];
    assert_eq!(folder(&all), Some("/r/guest-toolchain".into()));
    assert_eq!(folder(&[("HOME", "/h"), ("RELRUN_CACHE_DIR", "")]), Some("/h/.cache/relrun/guest-toolchain".into()));
}

#[test]
fn the_facts_are_read_from_the_file_system() {
    let root = tempfile::tempdir().unwrap();
    let found = |pairs: &[(&str, &str)]| machine(root.path(), pairs);
    assert_eq!(found(&[]).target(), Target::Missing);
    assert_eq!(found(&[]).rustup(), Rustup::Absent);
    assert_eq!(found(&[]).debian(), Debian::NoLinker("rust-lld"));

    touch(&root.path().join("rust/lib/rustlib/host/bin/rust-lld"));
    assert_eq!(found(&[]).debian(), Debian::NoLinker("wasm-component-ld"));
    touch(&root.path().join("rust/lib/rustlib/host/bin/wasm-component-ld"));
    assert_eq!(found(&[]).debian(), Debian::NoProgram("apt-get"));
    for program in ["apt-get", "apt-cache", "dpkg", "dpkg-query", "rustup"] {
        touch(&root.path().join("bin").join(program));
    }
    assert_eq!(found(&[]).debian(), Debian::Open);
    assert_eq!(found(&[]).rustup(), Rustup::Free);
    assert_eq!(found(&[("RUSTUP_AUTO_INSTALL", "0")]).rustup(), Rustup::Forbidden);
    assert_eq!(found(&[("RUSTUP_AUTO_INSTALL", "1")]).rustup(), Rustup::Free);

    fs::create_dir_all(root.path().join("rust/lib/rustlib/wasm32-wasip2/lib")).unwrap();
    assert_eq!(found(&[]).target(), Target::Installed);
}

#[test]
fn what_an_outer_cargo_set_does_not_reach_a_guest() {
    let dropped = [
        "CARGO_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_PKG_NAME",
        "CARGO_MAKEFLAGS",
        "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
        "RUSTFLAGS",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_BOOTSTRAP",
        "CLIPPY_ARGS",
        "OUT_DIR",
        "TARGET",
        "LD_LIBRARY_PATH",
    ];
    let kept =
        ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "HOME", "https_proxy"];
    let root = tempfile::tempdir().unwrap();
    let pairs: Vec<(&str, &str)> = dropped.iter().chain(&kept).map(|name| (*name, "set")).collect();
    let command = machine(root.path(), &pairs).cargo();
    let set = |name: &str| command.get_envs().any(|(found, value)| found == name && value == Some(OsStr::new("set")));
    assert_eq!(dropped.iter().filter(|name| set(name)).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(kept.iter().filter(|name| !set(name)).collect::<Vec<_>>(), Vec::<&&str>::new());
}
