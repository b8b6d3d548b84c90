//! Trees of files, named by their digest, moved by the host without passing through the plugin.

use crate::{Result, backend};

/// Records a directory of the step (`/in/NAME`, `/out/NAME`, `/tmp/…`) as a tree; gives its digest in hexadecimal.
pub fn capture(dir: &str) -> Result<String> {
    backend::tree_capture(dir)
}

/// Lays a tree into an empty or missing directory of the step.
pub fn restore(digest: &str, dir: &str) -> Result<()> {
    backend::tree_restore(digest, dir)
}
