//! `state export` and `state import`.

use crate::args::{Cli, StateCommand};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::state::Moved;
use relrun_engine::{EngineError, Exit, state};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

pub(super) fn dispatch(cli: &Cli, asked: &StateCommand) -> Result<Exit, EngineError> {
    let (verb, file, moved) = match asked {
        StateCommand::Export { file } => ("wrote", file, export(cli, file)?),
        StateCommand::Import { file } => ("took in", file, import(cli, file)?),
    };
    let releases = if moved.releases == 1 { "1 release".to_owned() } else { format!("{} releases", moved.releases) };
    show::print(&format!("{verb} {releases} and {} blobs ({} bytes): {}\n", moved.blobs, moved.bytes, file.display()))?;
    Ok(Exit::Done)
}

/// Another file of this name is replaced only when the new one is whole.
fn export(cli: &Cli, file: &Path) -> Result<Moved, EngineError> {
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Read)?;
    let failed = |source| EngineError::io(format!("write {}", file.display()), source);
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().prefix(".state-").tempfile_in(folder).map_err(failed)?;
    let mut out = BufWriter::new(draft.as_file_mut());
    let moved = state::export(&workspace, &mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    draft.as_file().sync_all().map_err(failed)?;
    draft.persist(file).map_err(|error| failed(error.error))?;
    Ok(moved)
}

fn import(cli: &Cli, file: &Path) -> Result<Moved, EngineError> {
    let opened = File::open(file).map_err(|error| {
        EngineError::input(format!("{} cannot be read: {error}", file.display()), "name a file that `relrun state export` wrote")
    })?;
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    state::import(&workspace, &mut BufReader::new(opened))
}
