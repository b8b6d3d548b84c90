//! The steps' logs: lines in the order they came. They are kept beside the events, and never decide anything.

use super::fault::{Fault, json, parse};
use crate::{LogLine, StreamId};
use relrun_ledger::StepId;
use rusqlite::{Connection, params};

pub(super) fn append(connection: &Connection, stream: &StreamId, lines: &[LogLine]) -> Result<(), Fault> {
    let mut insert = connection.prepare_cached("INSERT INTO log (package, release, step, line) VALUES (?1, ?2, ?3, ?4)")?;
    for line in lines {
        insert.execute(params![stream.package, stream.release.0, line.step.0, json(line)?])?;
    }
    Ok(())
}

pub(super) fn read(connection: &Connection, stream: &StreamId, step: Option<StepId>) -> Result<Vec<LogLine>, Fault> {
    let sql = "SELECT line FROM log WHERE package = ?1 AND release = ?2 AND (?3 IS NULL OR step = ?3) ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let texts = statement.query_map(params![stream.package, stream.release.0, step.map(|step| step.0)], |row| row.get::<_, String>(0))?;
    texts.map(|text| parse(&text?)).collect()
}
