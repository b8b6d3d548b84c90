//! The commands that are groups of commands: settings, records, locks, state and the cache.

use super::{ManifestArg, Place, Release, Run, Target};
use clap::{Args, Subcommand, ValueEnum};
use relrun_ledger::ReleaseId;
use std::path::PathBuf;
use std::time::Duration;

/// `env`.
#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    /// Every setting of an environment, and where its value comes from.
    List {
        #[command(flatten)]
        place: Place,
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
    #[command(flatten)]
    pub(crate) place: Place,
    /// Deploy it at once.
    #[arg(long)]
    pub(crate) promote: bool,
    #[command(flatten)]
    pub(crate) manifest: ManifestArg,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// `policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read every policy that holds here, and hold the manifest's steps to them.
    Check {
        #[command(flatten)]
        target: Target,
    },
    /// Say what policy makes of a step: its plugin, what it may do, what it may use, and by which line.
    Explain {
        /// The step: NAME or NAME@ENVIRONMENT.
        step: String,
        #[command(flatten)]
        target: Target,
    },
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
