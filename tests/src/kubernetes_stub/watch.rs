//! A watch: what changed from a version on, one line each, until its time is over.

use super::faults::Harm;
use super::server::{Asked, Connection};
use super::{Shared, answer, server};
use serde_json::{Value, json};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a watch waits for a change before it looks whether it is over.
const LOOK: Duration = Duration::from_millis(50);
/// How often a bookmark comes.
const BOOKMARK: Duration = Duration::from_millis(400);

/// Writes a watch to its end.
pub(crate) fn serve(shared: &Shared, asked: &Asked<'_>, harm: Option<Harm>, connection: &mut dyn Connection) -> io::Result<()> {
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let seconds = asked.query("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(30);
    let over = Instant::now() + Duration::from_secs(seconds);
    let bookmarks = asked.query("allowWatchBookmarks") == Some("true");
    let mut version: u64 = asked.query("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut last_bookmark = Instant::now();
    if harm == Some(Harm::Gone) || version > 0 && !shared.world().remembers(version) {
        write(connection, &json!({ "type": "ERROR", "object": answer::gone().status }))?;
        return end(connection);
    }
    if harm == Some(Harm::Silent) {
        connection.flush()?;
        server::silence(shared);
        return end(connection);
    }
    if version == 0 {
        let (now, all) = {
            let world = shared.world();
            (world.version(), world.list(asked.kind.resource, asked.namespace).cloned().collect::<Vec<_>>())
        };
        for object in all.iter().filter(|object| asked.selects(object)) {
            write(connection, &json!({ "type": "ADDED", "object": object }))?;
        }
        version = now;
    }
    while Instant::now() < over && !shared.over.load(Ordering::SeqCst) {
        let changes: Vec<_> = {
            let world = shared.world();
            let (world, _) = shared.changed.wait_timeout(world, LOOK).unwrap_or_else(std::sync::PoisonError::into_inner);
            world.history.iter().filter(|change| change.version > version).cloned().collect()
        };
        for change in &changes {
            version = change.version;
            if change.resource != asked.kind.resource || !asked.selects(&change.object) {
                continue;
            }
            let event = json!({ "type": change.what, "object": change.object });
            match harm {
                Some(Harm::Half) => return half(connection, &event),
                Some(Harm::Nonsense) => {
                    chunk(connection, b"<html>a proxy says hello</html>\n")?;
                    return end(connection);
                }
                _ => write(connection, &event)?,
            }
        }
        if bookmarks && last_bookmark.elapsed() > BOOKMARK {
            last_bookmark = Instant::now();
            let object = json!({ "kind": asked.kind.kind, "apiVersion": asked.kind.api_version(), "metadata": { "resourceVersion": version.to_string() } });
            write(connection, &json!({ "type": "BOOKMARK", "object": object }))?;
        }
    }
    end(connection)
}

fn write(connection: &mut dyn Connection, event: &Value) -> io::Result<()> {
    chunk(connection, format!("{event}\n").as_bytes())
}

/// Two pieces, so that no reader may count on an event in one.
fn chunk(connection: &mut dyn Connection, bytes: &[u8]) -> io::Result<()> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for piece in [first, second].into_iter().filter(|piece| !piece.is_empty()) {
        write!(connection, "{:x}\r\n", piece.len())?;
        connection.write_all(piece)?;
        connection.write_all(b"\r\n")?;
    }
    connection.flush()
}

fn half(connection: &mut dyn Connection, event: &Value) -> io::Result<()> {
    let text = event.to_string();
    chunk(connection, &text.as_bytes()[..text.len() / 2])?;
    Err(io::Error::other("broken off on purpose"))
}

fn end(connection: &mut dyn Connection) -> io::Result<()> {
    connection.write_all(b"0\r\n\r\n")?;
    connection.flush()
}
