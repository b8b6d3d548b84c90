//! The words of the command line.

mod carry;
mod groups;
mod options;
mod plugin;
mod supply;

pub(crate) use carry::{ApplyArgs, PlanArgs, ReleaseArgs, StageWord};
pub(crate) use groups::{CacheCommand, EnvCommand, LockCommand, MarkWord, PolicyCommand, ReleasesCommand, Staging, StateCommand};
pub(crate) use options::{Approval, ManifestArg, Place, Providers, Release, Run, Target};
pub(crate) use plugin::PluginCommand;
pub(crate) use supply::{BundleCommand, KeyArg, KeyCommand, SupplyCommand, TrustArg};

use clap::{Parser, Subcommand, ValueEnum};
use relrun_ledger::ReleaseId;
use std::path::PathBuf;
use std::time::Duration;

/// A declarative release runtime: phases and steps from one manifest, every step a sandboxed component.
#[derive(Debug, Parser)]
#[command(name = "relrun", version, about, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The project's root; by default the nearest folder above with a relrun.kdl, else the git root, else the manifest's folder.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
    /// Take plugins as relrun.lock has them, and end where it would have to change.
    #[arg(long, global = true)]
    pub(crate) locked: bool,
    /// Fetch nothing: plugins come from this machine, or not at all.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// How to show what happens; by default chosen from the terminal and the CI.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Say more about what relrun itself does; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to show what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A live tree.
    Human,
    /// One line after another.
    Plain,
    /// One JSON object a line.
    Json,
    /// GitHub's workflow commands.
    Github,
    /// A picture (graph only).
    Svg,
    /// Graphviz' language (graph only).
    Dot,
    /// Mermaid's language (graph only).
    Mermaid,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry a release as far as it goes.
    Apply(ApplyArgs),
    /// Say what apply would do, and change nothing.
    Plan(PlanArgs),
    /// Say whether the manifest is valid and everything in it allowed.
    Check {
        #[command(flatten)]
        target: Target,
        /// Show each input instead: what it may be, its default and what it is for.
        #[arg(long)]
        inputs: bool,
        #[command(flatten)]
        providers: Providers,
    },
    /// Draw the DAG, as SVG unless `--format dot` or `--format mermaid` says otherwise.
    Graph {
        #[command(flatten)]
        target: Target,
        /// Write to a file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Go on after a failure: failed and undone steps, and all behind them, run again.
    Retry {
        #[command(flatten)]
        at: Release,
        #[command(flatten)]
        run: Run,
        /// Another value: makes the next release, and reuses what the change does not reach.
        #[arg(short, long = "input", value_name = "NAME=VALUE")]
        input: Vec<String>,
        #[command(flatten)]
        providers: Providers,
    },
    /// Go on after a wait, an interruption or a crash.
    Continue {
        #[command(flatten)]
        at: Release,
        #[command(flatten)]
        run: Run,
        #[command(flatten)]
        providers: Providers,
    },
    /// Stop a release that is under way, and undo what it did.
    Cancel {
        #[command(flatten)]
        at: Release,
        #[command(flatten)]
        run: Run,
    },
    /// Say whether a step that nobody can tell about was done.
    Settle {
        /// The release.
        release: ReleaseId,
        /// The step: NAME or NAME@ENVIRONMENT.
        step: String,
        /// It was done.
        #[arg(long, conflicts_with = "not_done", required_unless_present = "not_done")]
        done: bool,
        /// It was not done, and nothing of it stands.
        #[arg(long)]
        not_done: bool,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Pass a gate that a release waits at.
    Approve {
        /// The release.
        release: ReleaseId,
        /// The gate: ENVIRONMENT/NAME, or the part of it that is clear.
        gate: String,
        #[command(flatten)]
        word: Approval,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Undo what a release did, in reverse order.
    Undo {
        #[command(flatten)]
        at: Release,
        /// Only in this environment.
        #[arg(short, long = "environment", value_name = "ENV")]
        environment: Vec<String>,
        #[command(flatten)]
        run: Run,
    },
    /// Take over what stands in an environment without relrun's doing, as a first release; nothing is deployed.
    Adopt {
        #[command(flatten)]
        place: Place,
        /// A step that is done already, and whose plugin cannot look.
        #[arg(long, value_name = "STEP")]
        done: Vec<String>,
        /// A value of an input.
        #[arg(short, long = "input", value_name = "NAME=VALUE")]
        input: Vec<String>,
        #[command(flatten)]
        manifest: ManifestArg,
        #[command(flatten)]
        run: Run,
    },
    /// Deploy an earlier release again; nothing is built.
    Rollback {
        #[command(flatten)]
        place: Place,
        /// To which release; by default the last that was active and good.
        #[arg(long, value_name = "RELEASE")]
        to: Option<ReleaseId>,
        #[command(flatten)]
        manifest: ManifestArg,
        #[command(flatten)]
        run: Run,
        #[command(flatten)]
        providers: Providers,
    },
    /// Deploy what is active in one environment to another, with the other's settings; nothing is built.
    Promote {
        /// The release; by default what is active in `--from`.
        #[arg(value_name = "RELEASE", required_unless_present = "from", conflicts_with = "from")]
        release: Option<ReleaseId>,
        /// Whose active release.
        #[arg(long, value_name = "ENV")]
        from: Option<String>,
        /// Where to.
        #[arg(long, value_name = "ENV")]
        to: String,
        /// Which deployment.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
        #[command(flatten)]
        manifest: ManifestArg,
        #[command(flatten)]
        run: Run,
        #[command(flatten)]
        providers: Providers,
    },
    /// Bring each environment to what its `deployment` lines say should stand there.
    Converge {
        /// Only this environment.
        #[arg(short, long = "environment", value_name = "ENV")]
        environment: Vec<String>,
        /// Try again at once what failed lately.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        manifest: ManifestArg,
        #[command(flatten)]
        run: Run,
    },
    /// Run a task against what is deployed, with its inputs and outputs.
    Errand {
        /// Which, as the release that is deployed declares it.
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        manifest: ManifestArg,
        #[command(flatten)]
        run: Run,
    },
    /// The whole cycle as one release: build, test, deploy to a scratch environment, check, destroy, pack, push.
    Release(ReleaseArgs),
    /// Pack a release, with its bill of materials and its provenance; what is packed is what the ledger says.
    Package {
        #[command(flatten)]
        at: Release,
        /// Write an OCI layout directory, or where it ends in `.tar` one file of it; by default it is kept in the project.
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,
        /// Sign the provenance with this private key; by default with what `RELRUN_SIGNING_KEY` names.
        #[arg(long, value_name = "KEYFILE")]
        sign: Option<PathBuf>,
    },
    /// Pack a release and send it to a registry, where its version never changes.
    Push {
        #[command(flatten)]
        at: Release,
        /// Where to: `oci://REGISTRY/REPOSITORY` or `oci-layout:DIRECTORY`; by default what the manifest's `publish` says, or relrun.kdl's `registry`.
        #[arg(long, value_name = "PLACE")]
        to: Option<String>,
        /// A tag that moves, such as prod-candidate; may be given more than once.
        #[arg(long, value_name = "NAME")]
        tag: Vec<String>,
        /// Sign the provenance with this private key; by default with what `RELRUN_SIGNING_KEY` names.
        #[arg(long, value_name = "KEYFILE")]
        sign: Option<PathBuf>,
        /// Push although the work tree was dirty, or its commit was pushed already.
        #[arg(long)]
        force: bool,
        /// How long to wait for a lock that another holds.
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
        lock_wait: Duration,
    },
    /// Bring a package into this project, so that it can be deployed without its registry.
    Pull {
        /// The package: acme/shop@1.4.2, acme/shop@1.4.@, acme/shop@latest or acme/shop@tag:NAME; or where it lies: `oci://REGISTRY/REPOSITORY:TAG` or
        /// `oci-layout:DIRECTORY:TAG`.
        package: String,
        /// Where it lies; by default what relrun.kdl's `registry` says.
        #[arg(long, value_name = "PLACE")]
        from: Option<String>,
    },
    /// Remove what is deployed, whatever its history.
    Destroy {
        #[command(flatten)]
        place: Place,
        /// Destroy it though others use what it gives.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        manifest: ManifestArg,
        #[command(flatten)]
        run: Run,
    },
    /// Say what is where.
    Status {
        /// Only this environment.
        #[arg(short, long, value_name = "ENV")]
        environment: Option<String>,
        /// Only this deployment.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
        /// Ask each plugin whether what was deployed still stands; exit 1 where something does not.
        #[arg(long)]
        verify: bool,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Show what steps said.
    Logs {
        /// The release (r7), or the step of the last one.
        #[arg(value_name = "RELEASE")]
        release: Option<String>,
        /// The step.
        step: Option<String>,
        /// Show who did what and when instead: every event of the ledger.
        #[arg(long)]
        events: bool,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Say why a step would run, or would not.
    Why {
        /// The step.
        step: String,
        #[command(flatten)]
        target: Target,
    },
    /// The settings of environments: a change is a release of its own, to be promoted when it is wanted.
    #[command(subcommand)]
    Env(EnvCommand),
    /// The records of releases.
    #[command(subcommand)]
    Releases(ReleasesCommand),
    /// The locks.
    #[command(subcommand)]
    Lock(LockCommand),
    /// The store of content.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// The state of the project: its ledger, and the content that it names.
    #[command(subcommand)]
    State(StateCommand),
    /// Step plugins: write, build, test and look at them.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// What the platform lets this project do.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Bundles: plugins that somebody vetted, under one signature.
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Say what this machine can do for relrun.
    Doctor,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}
