//! Carries a release as far as it goes: one dispatcher that decides and records, many jobs that work.
//!
//! The dispatcher owns the journal, the schedule and the locks; jobs talk to it by messages and never touch the ledger. Each turn of its loop
//! notes what is about to start, makes that durable, and only then lets it start: that is what "written ahead" means here.

mod advice;
mod inbox;
mod job;
mod needs;
mod recover;
mod sink;
mod start;
mod tally;
mod undo;
mod verdict;
mod word;

pub(crate) use job::{Secrecy, granted_variables, limits};

use crate::dependency::Wiring;
use crate::journal::Journal;
use crate::locks::{HEARTBEAT, Locks};
use crate::notify::Told;
use crate::prepare::Prepared;
use crate::survey::Survey;
use crate::{EngineError, Workspace};
use job::Job;
use relrun_graph::{NodeId, Schedule};
use relrun_host::{CancelToken, Canceller};
use relrun_ledger::{Event, Outcome, Release, ReleaseKind, StepId, StepState};
use relrun_manifest::Occasion;
use relrun_report::{OperationName, ReportEvent, RunFinished, StepResult};
use sink::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;
use tokio::sync::{mpsc, watch};

/// How a run is asked to end early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It is not.
    #[default]
    Go,
    /// Start nothing more, tell what runs, record, and end.
    Halt,
}

/// How a run is carried.
pub(crate) struct CarryOptions {
    /// How many steps run at once, at most.
    pub jobs: usize,
    /// Pure steps run though the cache has their outcome.
    pub no_cache: bool,
    /// A stranger's mark at a target is replaced.
    pub adopt: bool,
    /// How it is asked to end early.
    pub stop: watch::Receiver<Stop>,
    /// The command's name, for those who watch.
    pub command: &'static str,
}

/// What a run is to do with its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Run what is selected and not done.
    Forward,
    /// Undo what stands in the selected environments.
    Undo,
    /// Destroy what stands in the selected environments.
    Destroy,
}

/// Where watchers hear of it.
pub type Emit<'a> = &'a mut dyn FnMut(ReportEvent);

/// How long a cancelled run waits for its steps, so that the whole command ends within 7 s.
const CANCEL_DEADLINE: Duration = Duration::from_secs(6);

/// A release being carried.
pub(crate) struct Carrier<'e> {
    workspace: Arc<Workspace>,
    prepared: Arc<Prepared>,
    survey: Survey,
    journal: Journal,
    locks: Locks,
    options: CarryOptions,
    secrecy: Arc<Secrecy>,
    aim: Aim,
    emit: Emit<'e>,
    /// The node of each step; absent where the environment or step is no longer declared.
    node_of: Vec<Option<NodeId>>,
    step_of: Vec<Option<StepId>>,
    schedule: Schedule,
    launches: Vec<(StepId, Job)>,
    running: BTreeMap<StepId, Running>,
    /// Steps that wait for their next try.
    resting: BTreeSet<StepId>,
    /// The gates that were looked at, and whether each is open.
    gates: BTreeMap<String, bool>,
    /// What meets the release's requirements, by environment.
    wiring: Wiring,
    /// The environments whose requirements were looked at, and whether something is waited for there.
    waits: BTreeMap<String, bool>,
    /// The parts that must be brought first: environment and name.
    parts: Vec<(String, String)>,
    tries: BTreeMap<StepId, u32>,
    backoffs: BTreeMap<StepId, backon::ExponentialBackoff>,
    undo: BTreeMap<String, VecDeque<StepId>>,
    way: undo::Way,
    /// Environments in which nothing more is started by this run.
    closed: BTreeSet<String>,
    failed: bool,
    canceller: Canceller,
    cancel: CancelToken,
    cancelled_at: Option<Instant>,
    /// When a cancelled run ends, whatever its steps do.
    deadline: Option<Instant>,
    /// Set by `relrun cancel`: once everything has stopped, what this release did in each environment is undone.
    undo_after_cancel: bool,
    messages: mpsc::UnboundedReceiver<Message>,
    sender: mpsc::UnboundedSender<Message>,
    previous: BTreeMap<String, Option<Release>>,
    /// What an adoption found for steps, in place of what stood before.
    found: BTreeMap<StepId, serde_json::Value>,
    tally: Tally,
    began: Instant,
}

struct Running {
    operation: OperationName,
    since: Instant,
}

/// How a run ended.
pub(crate) struct Carried {
    /// What is told of it.
    pub finished: RunFinished,
    /// The parts that must be brought before it goes on: environment and name.
    pub parts: Vec<(String, String)>,
}

/// What a carrier is made of.
pub(crate) struct Cargo<'e> {
    /// Where it works.
    pub workspace: Arc<Workspace>,
    /// The release's manifest, prepared.
    pub prepared: Arc<Prepared>,
    /// What its steps are made from.
    pub survey: Survey,
    /// Its stream.
    pub journal: Journal,
    /// Its locks.
    pub locks: Locks,
    /// The secrets.
    pub secrecy: Arc<Secrecy>,
    /// What stood in each environment before.
    pub previous: BTreeMap<String, Option<Release>>,
    /// What meets its requirements.
    pub wiring: Wiring,
    /// What an adoption found for steps.
    pub found: BTreeMap<StepId, serde_json::Value>,
    /// How.
    pub options: CarryOptions,
    /// What for.
    pub aim: Aim,
    /// Where watchers hear of it.
    pub emit: Emit<'e>,
}

impl<'e> Carrier<'e> {
    /// Takes a release up. Its `run-started` is in the journal already.
    pub(crate) fn new(cargo: Cargo<'e>) -> Result<Self, EngineError> {
        let release = cargo.journal.release();
        let mut node_of = vec![None; release.steps.len()];
        let mut step_of = vec![None; cargo.prepared.nodes.len()];
        for id in cargo.prepared.graph.topological() {
            let environment = cargo.prepared.environment(id).map(|environment| environment.name.value.as_str());
            if let Some(step) = release.find(&cargo.prepared.step(id).name.value, environment) {
                node_of[step.index()] = Some(id);
                step_of[id.index()] = Some(step);
            }
        }
        let mut finished = Vec::new();
        for node in cargo.prepared.graph.topological() {
            let step = step_of[node.index()].filter(|&step| release.is_selected(step));
            let wanted = step.map(|step| crate::survey::is_done(&cargo.workspace, release, step)).transpose()? == Some(false);
            if !wanted {
                finished.push(node);
            }
        }
        let schedule = Schedule::resume(&cargo.prepared.graph, finished);
        let (sender, messages) = mpsc::unbounded_channel();
        let (canceller, cancel) = Canceller::new();
        Ok(Self {
            workspace: cargo.workspace,
            prepared: cargo.prepared,
            survey: cargo.survey,
            journal: cargo.journal,
            locks: cargo.locks,
            options: cargo.options,
            secrecy: cargo.secrecy,
            aim: cargo.aim,
            emit: cargo.emit,
            node_of,
            step_of,
            schedule,
            launches: Vec::new(),
            running: BTreeMap::new(),
            resting: BTreeSet::new(),
            gates: BTreeMap::new(),
            wiring: cargo.wiring,
            waits: BTreeMap::new(),
            parts: Vec::new(),
            tries: BTreeMap::new(),
            backoffs: BTreeMap::new(),
            undo: BTreeMap::new(),
            way: undo::Way::Undo,
            closed: BTreeSet::new(),
            failed: false,
            canceller,
            cancel,
            cancelled_at: None,
            deadline: None,
            undo_after_cancel: false,
            messages,
            sender,
            previous: cargo.previous,
            found: cargo.found,
            tally: Tally::default(),
            began: Instant::now(),
        })
    }

    /// Carries it as far as it goes.
    pub(crate) async fn run(mut self) -> Result<Carried, EngineError> {
        self.announce();
        let told = self.tell(Occasion::Started);
        self.begin_recovery()?;
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut inbox = Vec::new();
        loop {
            self.advance()?;
            self.journal.flush()?;
            self.launch();
            if self.running.is_empty() && self.resting.is_empty() {
                break;
            }
            tokio::select! {
                _ = self.messages.recv_many(&mut inbox, 256) => self.read(&mut inbox)?,
                () = stopped(&mut self.options.stop, self.cancelled_at.is_some()) => self.halt(),
                _ = heartbeat.tick() => self.beat()?,
                () = until(self.deadline) => break,
            }
        }
        self.finish(told).await
    }

    fn announce(&mut self) {
        let start = &self.journal.release().start;
        let event = ReportEvent::RunStarted {
            package: start.package.clone(),
            release: start.release.to_string(),
            version: start.version.clone(),
            command: self.options.command.to_owned(),
            steps: start.steps.iter().map(tally::step_info).collect(),
        };
        (self.emit)(event);
    }

    /// Decides what starts next. Nothing starts before the journal is flushed.
    fn advance(&mut self) -> Result<(), EngineError> {
        if self.is_recovering() {
            return Ok(());
        }
        if self.undo_after_cancel && self.running.is_empty() {
            self.undo_after_cancel = false;
            // What was cancelled was the way forward; the way back has its own token and no deadline but its steps'.
            (self.canceller, self.cancel) = Canceller::new();
            self.aim = Aim::Undo;
            self.deadline = None;
        }
        match self.aim {
            Aim::Forward => self.start_ready()?,
            Aim::Undo => self.open_undo_of_all(undo::Way::Undo),
            Aim::Destroy => self.open_undo_of_all(undo::Way::Destroy),
        }
        self.pump_undo()
    }

    fn launch(&mut self) {
        for (step, job) in self.launches.drain(..) {
            let operation = job.name();
            self.running.insert(step, Running { operation, since: Instant::now() });
            let sender = self.sender.clone();
            tokio::spawn(async move {
                let end = job.run().await;
                moment!("operation.returned");
                // The dispatcher is gone only when the whole command ends.
                let _ = sender.send(Message::Done { step, end });
            });
        }
    }

    fn halt(&mut self) {
        let now = Instant::now();
        self.cancelled_at = Some(now);
        self.deadline = Some(now + CANCEL_DEADLINE);
        self.canceller.cancel();
        self.resting.clear();
        (self.emit)(tally::notice(relrun_report::LineLevel::Warn, "cancelling: nothing more is started, and what runs is told to stop"));
    }

    /// Renews the locks, and hears whether somebody asked this release to be cancelled.
    fn beat(&mut self) -> Result<(), EngineError> {
        if let Some(lost) = self.locks.renew()?.into_iter().next() {
            self.canceller.cancel();
            return Err(EngineError::input(
                format!("the lock on {lost} was taken by another, because this process was thought dead"),
                "type `relrun status` to see who works there now",
            ));
        }
        if self.cancelled_at.is_none()
            && let Some(actor) = self.workspace.runs.take_cancel(self.journal.stream())?
        {
            self.journal.note(Event::CancelAsked { actor })?;
            self.undo_after_cancel = true;
            self.halt();
        }
        Ok(())
    }

    fn label(&self, step: StepId) -> String {
        self.journal.release().start.steps[step.index()].label()
    }

    fn is_recovering(&self) -> bool {
        self.running.values().any(|running| running.operation == OperationName::Recover)
    }

    fn report(&mut self, step: StepId, operation: OperationName, result: StepResult, summary: String, took: Duration) {
        let place = self.node_of[step.index()].map(|node| tally::place(&self.prepared, node));
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let step = self.label(step);
        (self.emit)(ReportEvent::StepFinished { step, operation, result, summary, duration_ms, place });
    }

    /// Returns the outcome of a step that succeeded, as another step of this environment sees it.
    fn outcome(&self, name: &str, environment: Option<&str>) -> Option<&Outcome> {
        let release = self.journal.release();
        let bound = environment.and_then(|environment| release.find(name, Some(environment)));
        let step = bound.or_else(|| release.find(name, None))?;
        match &release.step(step).state {
            StepState::Succeeded(outcome) => Some(outcome),
            _ => self.outcome_of_deployment(name, environment?),
        }
    }

    /// Returns what a step gave in the deployment that an errand runs against.
    fn outcome_of_deployment(&self, name: &str, environment: &str) -> Option<&Outcome> {
        if !matches!(self.journal.release().start.kind, ReleaseKind::Errand { .. }) {
            return None;
        }
        let release = self.previous.get(environment)?.as_ref()?;
        let step = release.find(name, Some(environment))?;
        if let StepState::Succeeded(outcome) = &release.step(step).state { Some(outcome) } else { None }
    }

    async fn finish(mut self, told: Option<Told>) -> Result<Carried, EngineError> {
        let verdict = self.verdict();
        self.describe()?;
        if self.aim == Aim::Forward {
            self.offer_everywhere()?;
        }
        if self.running.is_empty() {
            self.journal.note(Event::RunEnded { verdict: verdict.clone() })?;
        }
        self.journal.flush_with_summary()?;
        self.heard(told).await?;
        // Only now, so that nobody hears of the end before the beginning.
        let last = self.occasion(&verdict).and_then(|occasion| self.tell(occasion));
        self.heard(last).await?;
        let finished = self.tally.finish(&self.journal, &verdict, self.began.elapsed());
        drop(self.locks);
        Ok(Carried { finished, parts: self.parts })
    }
}

async fn stopped(stop: &mut watch::Receiver<Stop>, already: bool) {
    if already || stop.wait_for(|stop| *stop != Stop::Go).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
