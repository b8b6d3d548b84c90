//! Locks: who holds what, until when, and with which fence.
//!
//! There is one fence counter for the whole ledger: it only grows, so a lock's row can go when the lock is let go, and the next taking of
//! its key still has a greater fence than every earlier one.

use super::fault::{Fault, json, parse};
use super::holder::Process;
use super::writer::signed;
use crate::{Holder, Lock, LockKey, LockRefused};
use relrun_ledger::{Actor, ReleaseId};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// How long a holder whose process cannot be looked at is believed to live without a heartbeat.
pub(super) const LEASE_MS: i64 = 30_000;

/// A lock's holder as it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct Held {
    actor: Actor,
    release: Option<ReleaseId>,
    since: jiff::Timestamp,
    process: Process,
}

struct Row {
    fence: u64,
    held: Held,
    renewed: i64,
}

impl Row {
    fn is_dead(&self, own: &Process, now: i64) -> bool {
        // A process that can be seen is believed, whatever the clock says: one that was stopped for a while is not dead. Nor is a clock
        // that was set back a reason to wait for ever, hence the distance.
        self.held.process.is_alive(own).map_or_else(|| now.abs_diff(self.renewed) > LEASE_MS.unsigned_abs(), |alive| !alive)
    }

    fn into_lock(self, key: LockKey) -> Lock {
        let renewed = jiff::Timestamp::from_millisecond(self.renewed).unwrap_or(self.held.since);
        let holder = Holder { actor: self.held.actor, release: self.held.release, since: self.held.since, renewed };
        Lock { key, holder, fence: self.fence }
    }
}

pub(super) fn take(
    connection: &Connection,
    key: &LockKey,
    actor: &Actor,
    release: Option<ReleaseId>,
    own: &Process,
) -> Result<Result<Lock, LockRefused>, Fault> {
    let text = json(key)?;
    let now = jiff::Timestamp::now();
    if let Some(row) = find(connection, &text)?
        && !row.is_dead(own, now.as_millisecond())
    {
        return Ok(Err(LockRefused { lock: row.into_lock(key.clone()) }));
    }
    let sql = "UPDATE meta SET last_fence = last_fence + 1 RETURNING last_fence";
    let fence: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    let held = Held { actor: actor.clone(), release, since: now, process: own.clone() };
    let sql = "INSERT OR REPLACE INTO locks (key, fence, holder, renewed) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![text, fence, json(&held)?, now.as_millisecond()])?;
    Ok(Ok(Row { fence: fence.unsigned_abs(), held, renewed: now.as_millisecond() }.into_lock(key.clone())))
}

fn find(connection: &Connection, key: &str) -> Result<Option<Row>, Fault> {
    let mut statement = connection.prepare_cached("SELECT fence, holder, renewed FROM locks WHERE key = ?1")?;
    let found = statement.query_row([key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?))).optional()?;
    found.map(|(fence, holder, renewed)| Ok(Row { fence: fence.unsigned_abs(), held: parse(&holder)?, renewed })).transpose()
}

/// Returns the fence under which a key is held now.
pub(super) fn fence_of(connection: &Connection, key: &LockKey) -> Result<Option<u64>, Fault> {
    let mut statement = connection.prepare_cached("SELECT fence FROM locks WHERE key = ?1")?;
    let fence: Option<i64> = statement.query_row([json(key)?], |row| row.get(0)).optional()?;
    Ok(fence.map(i64::unsigned_abs))
}

/// Renews locks, and returns those that are no longer held under that fence.
pub(super) fn renew(connection: &Connection, locks: &[(LockKey, u64)]) -> Result<Vec<LockKey>, Fault> {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut statement = connection.prepare_cached("UPDATE locks SET renewed = ?1 WHERE key = ?2 AND fence = ?3")?;
    let mut lost = Vec::new();
    for (key, fence) in locks {
        if statement.execute(params![now, json(key)?, signed(*fence)])? == 0 {
            lost.push(key.clone());
        }
    }
    Ok(lost)
}

pub(super) fn let_go(connection: &Connection, key: &LockKey, fence: u64) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM locks WHERE key = ?1 AND fence = ?2")?.execute(params![json(key)?, signed(fence)])?;
    Ok(())
}

pub(super) fn smash(connection: &Connection, key: &LockKey) -> Result<bool, Fault> {
    Ok(connection.prepare_cached("DELETE FROM locks WHERE key = ?1")?.execute([json(key)?])? > 0)
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Lock>, Fault> {
    let mut statement = connection.prepare_cached("SELECT key, fence, holder, renewed FROM locks ORDER BY fence")?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?)))?;
    rows.map(|row| {
        let (key, fence, holder, renewed) = row?;
        Ok(Row { fence: fence.unsigned_abs(), held: parse(&holder)?, renewed }.into_lock(parse(&key)?))
    })
    .collect()
}
