//! The words of the commands that make releases, or say what would be made.

use super::{ManifestArg, Providers, Run, Target};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

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
    #[command(flatten)]
    pub(crate) providers: Providers,
    /// Also deploy again what uses the outputs that changed.
    #[arg(long)]
    pub(crate) cascade: bool,
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
    /// Sign the provenance with this private key; by default with what `RELRUN_SIGNING_KEY` names.
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) sign: Option<PathBuf>,
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
    #[command(flatten)]
    pub(crate) providers: Providers,
    /// Run pure steps that are not in the cache, so that what depends on them is known too.
    #[arg(long)]
    pub(crate) build: bool,
    /// Save the plan, for `relrun apply FILE`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where a package lies; by default what relrun.kdl's `registry` says.
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: Option<String>,
}
