//! The one connection, its transactions, and group commit: appends that queue for the connection share a commit and its fsync.

use super::fault::Fault;
use crate::{Batch, Durability, LockKey, StoreError, StreamId};
use relrun_ledger::ReleaseId;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A log longer than this is folded into the file when the store is closed: the next open reads all that is left of it.
const LOG_BYTES: u64 = 256 << 10;

/// One append, ready to be written. Its JSON is made before it queues, outside every lock.
pub(super) struct Job {
    stream: StreamId,
    first: u64,
    rows: Vec<String>,
    summary: Option<String>,
    fence: Option<(LockKey, u64)>,
    durability: Durability,
    outcome: Mutex<Option<Result<(), Fault>>>,
}

impl Job {
    pub(super) fn new(stream: &StreamId, batch: &Batch<'_>) -> Result<Self, StoreError> {
        let broken = |reason: String| StoreError::Record { stream: stream.to_string(), reason };
        let text = |e: serde_json::Error| broken(e.to_string());
        let first = batch.records.first().map_or(0, |record| record.seq);
        if batch.records.iter().zip(first..).any(|(record, seq)| record.seq != seq) {
            return Err(broken("the events of one append do not follow one another".to_owned()));
        }
        Ok(Self {
            stream: stream.clone(),
            first,
            rows: batch.records.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(text)?,
            summary: batch.summary.map(serde_json::to_string).transpose().map_err(text)?,
            fence: batch.fence.map(|(key, fence)| (key.clone(), fence)),
            durability: batch.durability,
            outcome: Mutex::default(),
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn take(&self) -> Result<(), Fault> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| Err(Fault::Row("the append was never written".to_owned())))
    }

    fn finish(&self, outcome: Result<(), Fault>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// Writes nothing before everything was checked, so that a refused job leaves the transaction as it was.
    fn write(&self, connection: &Connection) -> Result<(), Fault> {
        self.check_fence(connection)?;
        let (package, release) = (&self.stream.package, self.stream.release.0);
        if !self.rows.is_empty() {
            let sql = "SELECT max(seq) FROM events WHERE package = ?1 AND release = ?2";
            let last: Option<i64> = connection.prepare_cached(sql)?.query_row(params![package, release], |row| row.get(0))?;
            if last.map_or(0, |last| last + 1) != signed(self.first) {
                return Err(Fault::Conflict(self.stream.to_string()));
            }
            let mut insert = connection.prepare_cached("INSERT INTO events (package, release, seq, record) VALUES (?1, ?2, ?3, ?4)")?;
            for (row, seq) in self.rows.iter().zip(signed(self.first)..) {
                insert.execute(params![package, release, seq, row])?;
            }
        }
        if let Some(summary) = &self.summary {
            let sql = "INSERT OR REPLACE INTO summaries (package, release, summary) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(sql)?.execute(params![package, release, summary])?;
        }
        Ok(())
    }

    fn check_fence(&self, connection: &Connection) -> Result<(), Fault> {
        let Some((key, fence)) = &self.fence else { return Ok(()) };
        let newest = super::locks::fence_of(connection, key)?;
        if newest == Some(*fence) { Ok(()) } else { Err(Fault::Conflict(self.stream.to_string())) }
    }
}

/// The connection.
pub(super) struct Writer {
    pub(super) connection: Connection,
    /// What `synchronous` is set to; a new connection begins with `FULL`.
    level: Durability,
    /// Whether something was committed that no fsync has followed.
    pub(super) unsynced: bool,
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, level: Durability::Durable, unsynced: false }
    }

    /// Writes jobs in one transaction, and tells each how it went.
    pub(super) fn run(&mut self, jobs: &[std::sync::Arc<Job>]) {
        let durable = jobs.iter().any(|job| job.durability == Durability::Durable);
        let durability = if durable { Durability::Durable } else { Durability::Grouped };
        let written = self.transaction(durability, |connection| {
            let mut outcomes = Vec::with_capacity(jobs.len());
            for job in jobs {
                match job.write(connection) {
                    // Only this job is refused, and it wrote nothing; whatever else goes wrong takes the whole transaction along.
                    refused @ (Ok(()) | Err(Fault::Conflict(_))) => outcomes.push(refused),
                    Err(fault) => return Err(fault),
                }
            }
            Ok(outcomes)
        });
        match written {
            Ok(outcomes) => jobs.iter().zip(outcomes).for_each(|(job, outcome)| job.finish(outcome)),
            Err(fault) => jobs.iter().for_each(|job| job.finish(Err(fault.clone()))),
        }
    }

    /// Runs one transaction, committed as durably as asked. It takes the write lock at once, so that it is never turned away half-way.
    pub(super) fn transaction<T>(
        &mut self,
        durability: Durability,
        body: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.set_level(durability)?;
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let value = body(&transaction)?;
        transaction.commit()?;
        self.unsynced = durability == Durability::Grouped;
        Ok(value)
    }

    fn set_level(&mut self, level: Durability) -> Result<(), Fault> {
        if self.level != level {
            let sql = match level {
                Durability::Durable => "PRAGMA synchronous = FULL",
                Durability::Grouped => "PRAGMA synchronous = NORMAL",
            };
            self.connection.execute_batch(sql)?;
            self.level = level;
        }
        Ok(())
    }

    /// Commits a row of no meaning durably: the fsync of the log takes along all that was committed before.
    pub(super) fn sync(&mut self) -> Result<(), Fault> {
        if !self.unsynced {
            return Ok(());
        }
        self.transaction(Durability::Durable, |connection| {
            connection.prepare_cached("UPDATE meta SET synced = synced + 1")?.execute([])?;
            Ok(())
        })
    }

    /// Leaves the file as the next command likes to find it. What fails here is done by the next durable append, or the next close.
    pub(super) fn close(&mut self, log: &Path) {
        if let Err(fault) = self.sync() {
            tracing::warn!(?fault, "the ledger's last events are not on disk yet");
        }
        if std::fs::metadata(log).is_ok_and(|meta| meta.len() > LOG_BYTES) {
            let folded = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            tracing::debug!(?folded, "folded the ledger's log");
        }
    }

    pub(super) fn texts(&self, stream: &StreamId, from: u64) -> Result<Vec<(u64, String)>, Fault> {
        let sql = "SELECT seq, record FROM events WHERE package = ?1 AND release = ?2 AND seq >= ?3 ORDER BY seq";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![stream.package, stream.release.0, signed(from)], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn summaries(&self, package: &str) -> Result<Vec<(ReleaseId, String)>, Fault> {
        let mut statement = self.connection.prepare_cached("SELECT release, summary FROM summaries WHERE package = ?1 ORDER BY release")?;
        let rows = statement.query_map([package], |row| Ok((ReleaseId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn packages(&self) -> Result<Vec<String>, Fault> {
        let sql = "SELECT name FROM packages WHERE EXISTS (SELECT 1 FROM summaries WHERE package = name) ORDER BY name";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// SQLite's integers are signed. A stream never has 2⁶³ events.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
