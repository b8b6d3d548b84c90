//! The plugin that the host's own tests use: it does what its config says.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Builds it, once a process and where it has changed, and returns the component.
pub(crate) fn build() -> &'static Path {
    static COMPONENT: LazyLock<PathBuf> = LazyLock::new(|| {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let machine = relrun_guest_build::Machine::new(std::env::vars_os()).expect("a machine");
        let toolchain = relrun_guest_build::ensure(&machine, &mut std::io::sink()).expect("a toolchain for guests");
        let own = std::env::current_exe().unwrap();
        let build = relrun_guest_build::GuestBuild {
            workspace: &checkout.join("runtime/host/tests/guest"),
            packages: &["relrun-test-guest"],
            // The host's tests have it there too.
            target_dir: &own.ancestors().nth(2).unwrap().join("host-test-guest"),
            checkout: &checkout,
        };
        let mut said = Vec::new();
        let built = relrun_guest_build::build(&machine, &toolchain, build, &mut said);
        built.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said))).remove(0)
    });
    &COMPONENT
}
