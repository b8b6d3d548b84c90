//! A whole ledger out of its file, and into another one. It is read in one transaction, so that it is the ledger of one moment while others write;
//! it is taken in where nothing of what is there gets lost.

use super::fault::Fault;
use crate::{LedgerCopy, StreamCopy, StreamId};
use relrun_ledger::ReleaseId;
use rusqlite::{Connection, params};

/// How many differences are told.
const TOLD: usize = 10;

pub(super) fn read(connection: &mut Connection) -> Result<LedgerCopy, Fault> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Deferred)?;
    let copy = read_all(&transaction)?;
    transaction.commit()?;
    Ok(copy)
}

fn read_all(connection: &Connection) -> Result<LedgerCopy, Fault> {
    let (ledger_id, last_fence) = connection
        .query_row("SELECT ledger_id, last_fence FROM meta", [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    let mut copy = LedgerCopy { ledger_id, last_fence, ..LedgerCopy::default() };
    let mut packages = connection.prepare("SELECT name, last_release FROM packages")?;
    for row in packages.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (name, last) = row?;
        copy.packages.insert(name, last);
    }
    for (sql, what) in [
        ("SELECT package, release, summary FROM summaries", 0),
        ("SELECT package, release, record FROM events ORDER BY package, release, seq", 1),
        ("SELECT package, release, line FROM log ORDER BY id", 2),
    ] {
        let mut statement = connection.prepare(sql)?;
        for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))? {
            let (package, release, text) = row?;
            let stream = copy.streams.entry(StreamId { package, release: ReleaseId(release) }).or_default();
            match what {
                0 => stream.summary = text,
                1 => stream.records.push(text),
                _ => stream.log.push(text),
            }
        }
    }
    // The log of a release that was forgotten is no release.
    copy.streams.retain(|_, stream| !stream.records.is_empty());
    Ok(copy)
}

/// Takes a copy in, or says what differs and writes nothing.
pub(super) fn take_in(connection: &Connection, copy: &LedgerCopy) -> Result<Result<(), Vec<String>>, Fault> {
    let here = read_all(connection)?;
    let mut differences = locks(connection)?;
    differences.extend(differing(&here, copy));
    if !differences.is_empty() {
        let more = differences.len().saturating_sub(TOLD);
        differences.truncate(TOLD);
        differences.extend((more > 0).then(|| format!("and {more} more")));
        return Ok(Err(differences));
    }
    connection.execute(
        "UPDATE meta SET ledger_id = ?1, last_fence = max(last_fence, ?2)",
        params![copy.ledger_id, super::writer::signed(copy.last_fence)],
    )?;
    let sql = "INSERT INTO packages (name, last_release) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET last_release = max(last_release, excluded.last_release)";
    for (name, last) in &copy.packages {
        connection.execute(sql, params![name, last])?;
    }
    let nothing = StreamCopy::default();
    for (id, stream) in &copy.streams {
        add(connection, id, here.streams.get(id).unwrap_or(&nothing), stream)?;
    }
    Ok(Ok(()))
}

fn locks(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare("SELECT key FROM locks ORDER BY key")?;
    let keys = statement.query_map([], |row| row.get::<_, String>(0))?;
    Ok(keys.map(|key| key.map(|key| format!("a process works here, or died: {key} is locked"))).collect::<Result<_, _>>()?)
}

/// Says what is here that the copy does not have: then it is no later state of this ledger.
fn differing(here: &LedgerCopy, copy: &LedgerCopy) -> Vec<String> {
    if here.packages.is_empty() {
        return Vec::new();
    }
    if here.ledger_id != copy.ledger_id {
        return vec![format!("this ledger is {}, and the file has another one, {}", here.ledger_id, copy.ledger_id)];
    }
    let mut differences = Vec::new();
    for (name, last) in &here.packages {
        let known = copy.packages.get(name).copied().unwrap_or_default();
        if known < *last {
            differences.push(format!("{name} is at {} here, and at {} in the file", ReleaseId(*last), ReleaseId(known)));
        }
    }
    for (id, stream) in &here.streams {
        // What is missing there was forgotten there: it stays here.
        let Some(there) = copy.streams.get(id) else { continue };
        let same = stream.records.iter().zip(&there.records).take_while(|(here, there)| here == there).count();
        if same < stream.records.len() {
            let other = if same < there.records.len() { "another one" } else { "none" };
            differences.push(format!("{id} has an event {same} here, and the file has {other} in its place"));
        }
    }
    differences
}

fn add(connection: &Connection, id: &StreamId, here: &StreamCopy, there: &StreamCopy) -> Result<(), Fault> {
    let (package, release) = (&id.package, id.release.0);
    let mut event = connection.prepare_cached("INSERT INTO events (package, release, seq, record) VALUES (?1, ?2, ?3, ?4)")?;
    for (seq, record) in (0_i64..).zip(&there.records).skip(here.records.len()) {
        event.execute(params![package, release, seq, record])?;
    }
    if there.records.len() > here.records.len() {
        let sql = "INSERT OR REPLACE INTO summaries (package, release, summary) VALUES (?1, ?2, ?3)";
        connection.prepare_cached(sql)?.execute(params![package, release, there.summary])?;
    }
    if !there.log.starts_with(&here.log) {
        return Ok(());
    }
    let mut line = connection.prepare_cached("INSERT INTO log (package, release, step, line) VALUES (?1, ?2, ?3, ?4)")?;
    for text in &there.log[here.log.len()..] {
        let parsed: crate::LogLine = super::fault::parse(text)?;
        line.execute(params![package, release, parsed.step.0, text])?;
    }
    Ok(())
}
