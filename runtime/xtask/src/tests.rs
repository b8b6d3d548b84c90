//! Every test of the checkout: the host's workspace, and the guests' workspaces as native programs.

use crate::checkout::{Checkout, announce, run as run_here};
use crate::{Outcome, guests, servers};

/// Lets the crash suite kill relrun at any moment that it names. On for the tests alone.
const FAILPOINTS: &str = "relrun/failpoints";

/// Sets everything up and runs every test.
pub(crate) fn run(checkout: &Checkout) -> Outcome {
    servers::ensure()?;
    guests::build_all(checkout)?;
    // The whole program's tests run the relrun that cargo leaves beside them, which `cargo test` alone does not build. Built with all targets,
    // so that both see the same features and nothing is compiled twice.
    announce("the host and its tests");
    run_here(checkout.cargo(&checkout.root, &["build", "--locked", "--workspace", "--all-targets", "--features", FAILPOINTS]))?;
    announce("the tests of the host");
    run_here(checkout.cargo(&checkout.root, &["test", "--locked", "--workspace", "--features", FAILPOINTS]))?;
    for workspace in guests::workspaces(checkout) {
        announce(&format!("the tests of {}", workspace.display()));
        run_here(checkout.cargo(&workspace, &["test", "--locked", "--workspace"]))?;
    }
    Ok(())
}
