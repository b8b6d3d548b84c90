//! Tells somebody of a release over HTTP, through the same gate that steps go through.
//!
//! It must never fail or hold up a release: each address is tried a few times within [`LONGEST`], and what came of it is an event of the ledger.

use crate::{Loaded, Workspace};
use relrun_gate::{Access, Body, Gate, GateOptions, Masker, Mode, Request, Secrets};
use relrun_ledger::{Event, Release, StepState};
use relrun_manifest::{Capability, HttpGrant, HttpTls, Notify, Occasion};
use ring::hmac;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often an address is tried.
const TRIES: u32 = 4;
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long one try may take.
const ONE: Duration = Duration::from_secs(5);
/// How long an address may take with all its tries.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a cancelled run waits for it.
const CANCELLED: Duration = Duration::from_millis(300);

/// Words that are on their way.
pub(crate) struct Told(JoinSet<Event>);

impl Told {
    /// Returns how one of them went; `None` once all have come in, or a cancelled run cannot wait for them.
    pub(crate) async fn next(&mut self, cancelled: bool) -> Option<Event> {
        let wait = if cancelled { CANCELLED } else { LONGEST + ONE };
        tokio::time::timeout(wait, self.0.join_next()).await.ok()??.ok()
    }
}

/// Begins to tell everybody who is to hear of it. Absent where that is nobody.
pub(crate) fn tell(workspace: &Workspace, loaded: &Loaded, release: &Release, about: Occasion, waiting: &BTreeSet<String>) -> Option<Told> {
    let of_project = workspace.project.notify.iter().map(|notify| (notify, workspace.root.as_path()));
    let of_manifest = loaded.manifest.notify.iter().map(|notify| (notify, loaded.directory.as_path()));
    let who: Vec<(&Notify, &Path)> = of_project.chain(of_manifest).filter(|(notify, _)| notify.on.contains(&about)).collect();
    if who.is_empty() {
        return None;
    }
    let body = body(workspace, release, about, waiting);
    let mut told = JoinSet::new();
    for (notify, directory) in who {
        let key = notify.secret.as_ref().map(|from| crate::secrets::read_one(workspace, directory, from)).transpose();
        let letter = Letter { notify: notify.clone(), about, body: body.clone(), key };
        told.spawn(letter.send());
    }
    Some(Told(told))
}

/// Returns what is sent. `docs/manifest.md` says what each field means.
fn body(workspace: &Workspace, release: &Release, about: Occasion, waiting: &BTreeSet<String>) -> String {
    let start = &release.start;
    let environments = release.environments().into_iter().map(|name| (name.to_owned(), serde_json::json!(release.environment(name))));
    let failed = start.steps.iter().zip(&release.steps).filter_map(|(decl, step)| {
        let failure = match &step.state {
            StepState::Failed(failure) | StepState::UndoFailed(failure) | StepState::DestroyFailed(failure) => Some(failure),
            _ => step.failure.as_ref(),
        };
        failure.map(|failure| serde_json::json!({ "step": decl.label(), "message": failure.message }))
    });
    serde_json::json!({
        "event": about.word(),
        "delivery": format!("{}-{}-{}-{}", start.package, start.release, release.next_seq, about.word()),
        "package": start.package,
        "release": start.release.to_string(),
        "version": start.version,
        "description": start.description,
        "made_by": start.kind,
        "actor": workspace.actor,
        "environments": environments.collect::<serde_json::Map<_, _>>(),
        "waiting_for": waiting,
        "failed": failed.collect::<Vec<_>>(),
        "metadata": release.metadata,
    })
    .to_string()
}

/// A word to one address.
struct Letter {
    notify: Notify,
    about: Occasion,
    body: String,
    key: Result<Option<String>, String>,
}

impl Letter {
    async fn send(self) -> Event {
        let (tries, failure) = match tokio::time::timeout(LONGEST, self.deliver()).await {
            Ok((tries, Ok(()))) => (tries, None),
            Ok((tries, Err(failure))) => (tries, Some(failure)),
            Err(_) => (TRIES, Some(format!("it took longer than {} s", LONGEST.as_secs()))),
        };
        // An address may hold a token in its path: the origin says enough.
        Event::Notified { to: self.notify.origin.to_string(), about: self.about.word().to_owned(), tries, failure }
    }

    async fn deliver(&self) -> (u32, Result<(), String>) {
        let key = match &self.key {
            Ok(key) => key.as_deref(),
            Err(why) => return (0, Err(format!("its secret cannot be read: {why}"))),
        };
        let mut wait = FIRST_WAIT;
        for attempt in 1..=TRIES {
            match self.post(key).await {
                Ok(()) => return (attempt, Ok(())),
                Err((again, failure)) if !again || attempt == TRIES => return (attempt, Err(failure)),
                Err(_) => tokio::time::sleep(wait).await,
            }
            wait *= 2;
        }
        (TRIES, Ok(()))
    }

    /// Sends it once. An error says whether another try may help.
    async fn post(&self, key: Option<&str>) -> Result<(), (bool, String)> {
        let never = |error: relrun_gate::GateError| (false, error.to_string());
        let (secrets, grants) = (Secrets::default(), [self.grant()]);
        let masker = Masker::new(&secrets).map_err(never)?;
        let gate = Gate::new(GateOptions { connect_timeout: ONE, total_timeout: ONE, ..GateOptions::default() }).map_err(never)?;
        let access = Access {
            capabilities: &grants,
            secrets: &secrets,
            masker: &masker,
            mode: Mode::Effect,
            root: Path::new(""),
            pool: &Arc::default(),
            total: None,
        };
        let mut request = Request::new("POST", self.notify.url.value.clone());
        request.headers = vec![("content-type".into(), "application/json".into()), ("user-agent".into(), "relrun".into())];
        if let Some(key) = key {
            let at = jiff::Timestamp::now().as_second();
            request.headers.push(("relrun-signature".into(), format!("t={at},v1={}", signature(key, at, &self.body))));
        }
        request.body = Body::Bytes(self.body.clone().into());
        let response = gate.send(request, &access).await.map_err(|error| {
            let denied = matches!(error.kind, relrun_gate::GateErrorKind::Denied | relrun_gate::GateErrorKind::Invalid);
            (!denied, error.to_string())
        })?;
        let status = response.status().as_u16();
        match status {
            200..=299 => Ok(()),
            408 | 429 | 500.. => Err((true, format!("it answered {status}"))),
            _ => Err((false, format!("it answered {status}"))),
        }
    }

    fn grant(&self) -> Capability {
        let methods = BTreeSet::from(["POST".to_owned()]);
        Capability::Http(HttpGrant { origin: self.notify.origin.clone(), methods, private: self.notify.private, tls: HttpTls::default() })
    }
}

/// Returns the HMAC-SHA-256 of `TIMESTAMP.BODY`: with the time in it, a letter that somebody kept is not fresh for ever.
fn signature(key: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
