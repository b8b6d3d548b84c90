//! `lock`: who holds what.

use super::inspect::time;
use crate::args::{Cli, Format, LockCommand};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::{EngineError, Exit};
use std::path::Path;

pub(super) fn dispatch(cli: &Cli, asked: &LockCommand) -> Result<Exit, EngineError> {
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    let locks = workspace.runs.locks()?;
    match asked {
        LockCommand::List => {
            let rows: Vec<Vec<String>> = locks
                .iter()
                .map(|lock| {
                    let holder = &lock.holder;
                    let who = format!("{}@{} pid {}", holder.actor.user, holder.actor.host, holder.actor.pid);
                    let release = holder.release.map(|id| id.to_string()).unwrap_or_default();
                    vec![lock.key.to_string(), who, release, time(holder.since), time(holder.renewed), lock.fence.to_string()]
                })
                .collect();
            if show::format(cli) == Format::Json {
                let json = |row: &Vec<String>| serde_json::json!({ "lock": row[0], "holder": row[1], "release": row[2], "since": row[3], "renewed": row[4], "fence": row[5] });
                rows.iter().try_for_each(|row| show::print_json(&json(row)))?;
            } else if rows.is_empty() {
                show::print("nothing is locked\n")?;
            } else {
                show::print(&show::table(&["LOCK", "HOLDER", "RELEASE", "SINCE", "RENEWED", "FENCE"], &rows))?;
            }
        }
        LockCommand::Release { key } => {
            let Some(lock) = locks.iter().find(|lock| lock.key.to_string() == *key) else {
                return Err(EngineError::input(format!("there is no lock \"{key}\""), "type `relrun lock list`, and quote the whole name"));
            };
            workspace.runs.break_lock(&lock.key)?;
            show::print(&format!("broke the lock on {key}; its holder is refused from now on\n"))?;
        }
    }
    Ok(Exit::Done)
}
