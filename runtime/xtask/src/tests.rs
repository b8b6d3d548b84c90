//! Every test of the checkout: the host's workspace, and the guests' workspaces as native programs.

use crate::checkout::{Checkout, announce, run as run_here};
use crate::{Outcome, guests};

/// Sets everything up and runs every test.
pub(crate) fn run(checkout: &Checkout) -> Outcome {
    guests::build_all(checkout)?;
    announce("the tests of the host");
    run_here(checkout.cargo(&checkout.root, &["test", "--locked", "--workspace"]))?;
    for workspace in guests::workspaces(checkout) {
        announce(&format!("the tests of {}", workspace.display()));
        run_here(checkout.cargo(&workspace, &["test", "--locked", "--workspace"]))?;
    }
    Ok(())
}
