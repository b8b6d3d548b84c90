//! `--format json`: the events as they are, one a line.

use crate::{ReportEvent, Reporter};
use std::io::{self, Write};

/// Writes NDJSON. Each line leaves at once.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
}

impl<W: Write + Send> Json<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn event(&mut self, event: &ReportEvent) -> io::Result<()> {
        let mut line = serde_json::to_vec(&event.cleaned())?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
