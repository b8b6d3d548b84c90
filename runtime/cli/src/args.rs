//! The words of the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
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
    },
    /// Go on after a wait, an interruption or a crash.
    Continue {
        #[command(flatten)]
        at: Release,
        #[command(flatten)]
        run: Run,
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
    /// Deploy an earlier release again; nothing is built.
    Rollback {
        /// Where.
        #[arg(short, long, value_name = "ENV")]
        environment: String,
        /// To which release; by default the last that was active and good.
        #[arg(long, value_name = "RELEASE")]
        to: Option<ReleaseId>,
        /// Which deployment.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
        #[command(flatten)]
        manifest: ManifestArg,
        #[command(flatten)]
        run: Run,
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
        /// Where.
        #[arg(short, long, value_name = "ENV")]
        environment: String,
        /// Which deployment.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
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
        /// Push although the work tree was dirty, or its commit was pushed already.
        #[arg(long)]
        force: bool,
        /// How long to wait for a lock that another holds.
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
        lock_wait: Duration,
    },
    /// Bring a package into this project, so that it can be deployed without its registry.
    Pull {
        /// The package: acme/shop@1.4.2, acme/shop@1.4.@, acme/shop@latest or acme/shop@tag:NAME.
        package: String,
        /// Where it lies; by default what relrun.kdl's `registry` says.
        #[arg(long, value_name = "PLACE")]
        from: Option<String>,
    },
    /// Remove what is deployed, whatever its history.
    Destroy {
        /// Where.
        #[arg(short, long, value_name = "ENV")]
        environment: String,
        /// Which deployment.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
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
    /// Say what this machine can do for relrun.
    Doctor,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What is said when a gate is passed, and what proves who says it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Approval {
    /// What to record with it.
    #[arg(long)]
    pub(crate) comment: Option<String>,
    /// The saved plan that was looked at: the approval is for this plan.
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Sign with this private key.
    #[arg(long, value_name = "KEYFILE", conflicts_with_all = ["signature", "text"])]
    pub(crate) sign: Option<PathBuf>,
    /// A signature that `ssh-keygen -Y sign -n relrun-approval` made.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) signature: Option<PathBuf>,
    /// Print what is to be signed, and pass nothing.
    #[arg(long)]
    pub(crate) text: bool,
}

/// Which manifest.
#[derive(Clone, Debug, Args)]
pub(crate) struct ManifestArg {
    /// The manifest.
    #[arg(long = "manifest", short = 'm', value_name = "FILE", default_value = "release.kdl")]
    pub(crate) path: PathBuf,
}

/// Which release of which manifest.
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The release; by default the last.
    #[arg(value_name = "RELEASE")]
    pub(crate) id: Option<ReleaseId>,
    /// The last of this deployment.
    #[arg(long, value_name = "NAME")]
    pub(crate) deployment: Option<String>,
    #[command(flatten)]
    pub(crate) manifest: ManifestArg,
}

/// A manifest, and what of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// The manifest.
    #[arg(value_name = "MANIFEST", default_value = "release.kdl")]
    pub(crate) manifest: PathBuf,
    /// Only in this environment.
    #[arg(short, long = "environment", value_name = "ENV")]
    pub(crate) environment: Vec<String>,
    /// A value of an input; NAME=@FILE reads it from a file, @FILE reads several from a JSON object.
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// Only this phase.
    #[arg(long, value_name = "PHASE")]
    pub(crate) phase: Vec<String>,
    /// The deployment's name; by default the package's.
    #[arg(long, value_name = "NAME")]
    pub(crate) deployment: Option<String>,
}

/// How to run.
#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    /// How many steps run at once; by default one a core.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// How long to wait for a lock that another holds.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) lock_wait: Duration,
    /// Replace a stranger's mark at a target.
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Deploy although policy freezes the place now; who and why are recorded.
    #[arg(long, value_name = "WHY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) break_glass: Option<String>,
    /// Ask nothing.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) run: Run,
    /// Make a new release although this one was made, and run its effects again.
    #[arg(long)]
    pub(crate) force: bool,
    /// Run pure steps although the cache has what they gave.
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// One line about the release; by default the commit's first line.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Where a package lies; by default what relrun.kdl's `registry` says.
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: Option<String>,
}

/// `release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArg,
    /// A value of an input; @FILE reads it from a file.
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// Where it is tried; by default the environment that has the label `scratch`.
    #[arg(long, value_name = "ENV")]
    pub(crate) scratch: Option<String>,
    /// Leave a stage out; may be given more than once.
    #[arg(long, value_enum, value_name = "STAGE")]
    pub(crate) skip: Vec<StageWord>,
    /// Where it is pushed; by default what the manifest's `publish` says, or relrun.kdl's `registry`.
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: Option<String>,
    /// A tag that moves, such as prod-candidate; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub(crate) tag: Vec<String>,
    /// Tag the commit with the version, as v1.4.2.
    #[arg(long)]
    pub(crate) git_tag: bool,
    /// Release although the work tree is dirty, or this commit was released: makes the next id.
    #[arg(long)]
    pub(crate) force: bool,
    /// One line about the release; by default the commit's first line.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// A stage of `release` that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StageWord {
    /// The phases without an environment whose name is `test`, or begins with `test-`.
    Test,
    /// The scratch environment, and all that happens there.
    Deploy,
    /// The phases of the scratch environment that deploy nothing.
    Smoke,
    /// What was deployed stays.
    Destroy,
    /// The package, and with it the push.
    Package,
    /// The push.
    Push,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Run pure steps that are not in the cache, so that what depends on them is known too.
    #[arg(long)]
    pub(crate) build: bool,
    /// Save the plan, for `relrun apply FILE`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `env`.
#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    /// Every setting of an environment, and where its value comes from.
    List {
        /// Which environment.
        #[arg(short, long, value_name = "ENV")]
        environment: String,
        /// Which deployment.
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Set inputs for one environment.
    Set {
        /// The settings; NAME=@FILE reads a value from a file, @FILE reads several from a JSON object.
        #[arg(value_name = "NAME=VALUE", required = true)]
        settings: Vec<String>,
        #[command(flatten)]
        staging: Staging,
    },
    /// Take back what was set.
    Unset {
        /// The settings.
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        staging: Staging,
    },
    /// Edit what was set, one `NAME=VALUE` a line, in `$VISUAL` or `$EDITOR`.
    Edit {
        #[command(flatten)]
        staging: Staging,
    },
}

/// Where settings are changed, and whether they are deployed at once.
#[derive(Clone, Debug, Args)]
pub(crate) struct Staging {
    /// Which environment.
    #[arg(short, long, value_name = "ENV")]
    pub(crate) environment: String,
    /// Which deployment.
    #[arg(long, value_name = "NAME")]
    pub(crate) deployment: Option<String>,
    /// Deploy it at once.
    #[arg(long)]
    pub(crate) promote: bool,
    #[command(flatten)]
    pub(crate) manifest: ManifestArg,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// `releases`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReleasesCommand {
    /// All releases, the last one first.
    List {
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// One release, step by step.
    Show {
        #[command(flatten)]
        at: Release,
    },
    /// The manifest that a release was made with.
    Manifest {
        #[command(flatten)]
        at: Release,
    },
    /// What differs between two releases.
    Diff {
        /// The earlier one; by default what is active where the last settings are staged.
        from: Option<ReleaseId>,
        /// The later one; by default the last.
        to: Option<ReleaseId>,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Say what you think of a release: `bad` keeps a rollback from choosing it, `pinned` keeps it from being pruned.
    Mark {
        /// The release.
        release: ReleaseId,
        /// The mark.
        mark: MarkWord,
        /// Take the mark away.
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Forget old releases; never one that is active, pinned or unfinished.
    Prune {
        /// How many to keep in each environment, beside the active one.
        #[arg(long, value_name = "N")]
        keep: usize,
        /// Only list them.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        manifest: ManifestArg,
    },
}

/// A mark.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MarkWord {
    /// Never chosen by a rollback.
    Bad,
    /// Never pruned.
    Pinned,
}

/// `lock`.
#[derive(Debug, Subcommand)]
pub(crate) enum LockCommand {
    /// Every lock and who holds it.
    List,
    /// Break a lock, whoever holds it.
    Release {
        /// The lock, as `lock list` prints it.
        key: String,
    },
}

/// `state`.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Write it all into one file; releases may run meanwhile.
    Export {
        /// The file.
        file: PathBuf,
    },
    /// Take it all in, into an empty project or an earlier state of the same.
    Import {
        /// The file.
        file: PathBuf,
    },
}

/// `cache`.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// How much is kept.
    Stat,
    /// Read everything, and set aside what is corrupt.
    Verify,
    /// Remove what no release needs.
    Gc {
        /// What was used within this time stays.
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
        keep_for: Duration,
        /// Nothing more goes once the store has this many bytes or less.
        #[arg(long, value_name = "BYTES", default_value_t = 0)]
        floor: u64,
        /// Only list it.
        #[arg(long)]
        dry_run: bool,
    },
}
