use super::*;
use crate::Error;

fn bare() -> Facts {
    Facts {
        sysroot: PathBuf::from("/opt/rust"),
        target: Target::Missing,
        made: None,
        rustup: Rustup::Absent,
        debian: Debian::NoProgram("apt-get"),
    }
}

fn open(facts: &Facts) -> Vec<Way> {
    choose(facts).open
}

fn closed(facts: &Facts) -> Vec<Way> {
    choose(facts).closed.into_iter().map(|refusal| refusal.way).collect()
}

#[test]
fn an_installed_target_comes_first() {
    let facts = Facts { target: Target::Installed, made: Some("/made".into()), rustup: Rustup::Free, debian: Debian::Open, ..bare() };
    assert_eq!(open(&facts), [Way::Installed, Way::Made, Way::Rustup, Way::Debian]);
    assert_eq!(closed(&facts), []);
}

#[test]
fn what_was_made_spares_a_download() {
    let facts = Facts { made: Some("/made".into()), rustup: Rustup::Free, debian: Debian::Open, ..bare() };
    assert_eq!(open(&facts), [Way::Made, Way::Rustup, Way::Debian]);
}

#[test]
fn what_was_made_needs_no_apt_but_a_linker() {
    assert_eq!(open(&Facts { made: Some("/made".into()), ..bare() }), [Way::Made]);
    let unlinked = Facts { made: Some("/made".into()), debian: Debian::NoLinker("rust-lld"), ..bare() };
    assert_eq!(open(&unlinked), []);
}

#[test]
fn rustup_comes_before_debian() {
    let facts = Facts { rustup: Rustup::Free, debian: Debian::Open, ..bare() };
    assert_eq!(open(&facts), [Way::Rustup, Way::Debian]);
    assert_eq!(closed(&facts), [Way::Installed]);
}

#[test]
fn a_forbidden_rustup_is_not_open() {
    let facts = Facts { rustup: Rustup::Forbidden, debian: Debian::Open, ..bare() };
    assert_eq!(open(&facts), [Way::Debian]);
    assert_eq!(closed(&facts), [Way::Installed, Way::Rustup]);
}

#[test]
fn every_way_is_either_open_or_closed() {
    for rustup in [Rustup::Absent, Rustup::Forbidden, Rustup::Free] {
        for debian in [Debian::Open, Debian::NoProgram("dpkg"), Debian::NoLinker("wasm-component-ld")] {
            for target in [Target::Installed, Target::Missing] {
                let facts = Facts { rustup, debian: debian.clone(), target, ..bare() };
                let mut ways = [open(&facts), closed(&facts)].concat();
                ways.sort();
                assert_eq!(ways, [Way::Installed, Way::Rustup, Way::Debian], "{facts:?}");
            }
        }
    }
}

#[test]
fn the_error_names_each_way_and_what_to_type() {
    let mut refusals = choose(&Facts { rustup: Rustup::Forbidden, ..bare() }).closed;
    insta::assert_snapshot!(Error::NoWay { refusals: refusals.clone() }, @r"
    no toolchain for wasm32-wasip2 guests can be had here; one of these opens a way:
      1. the active Rust: /opt/rust has no wasm32-wasip2
         type `rustup target add wasm32-wasip2`, or install your system's package of Rust's std for it
      2. rustup: RUSTUP_AUTO_INSTALL=0 forbids it to download
         type `RUSTUP_AUTO_INSTALL=1 rustup target add wasm32-wasip2` if a download is fine after all
      3. Debian's packages: there is no `apt-get` on the PATH
         build on Debian 12 or newer, for instance in a container of `debian:stable` (no root is needed)
    ");
    refusals = choose(&Facts { debian: Debian::NoLinker("wasm-component-ld"), ..bare() }).closed;
    insta::assert_snapshot!(Error::NoWay { refusals }, @r"
    no toolchain for wasm32-wasip2 guests can be had here; one of these opens a way:
      1. the active Rust: /opt/rust has no wasm32-wasip2
         type `rustup target add wasm32-wasip2`, or install your system's package of Rust's std for it
      2. rustup: there is no `rustup` on the PATH
         install it from https://rustup.rs
      3. Debian's packages: the active Rust has no `wasm-component-ld`, which Debian does not package
         use a Rust 1.95 or newer that comes from rustup or from the standalone installer
    ");
}
