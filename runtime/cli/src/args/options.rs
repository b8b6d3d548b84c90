//! The options that several commands share.

use clap::Args;
use relrun_ledger::ReleaseId;
use std::path::PathBuf;
use std::time::Duration;

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
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "token"])]
    pub(crate) signature: Option<PathBuf>,
    /// Show an ID token of a CI job: `env:NAME`, `file:PATH` or `github`; by default what `RELRUN_ID_TOKEN` or GitHub gives, where policy takes one.
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["text", "sign"])]
    pub(crate) token: Option<String>,
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

/// Where a deployment stands, and under which name.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Where.
    #[arg(short, long, value_name = "ENV")]
    pub(crate) environment: String,
    /// Which deployment; by default the one that bears the package's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) deployment: Option<String>,
}

/// Which deployments are meant where several provide what is consumed.
#[derive(Debug, Args)]
pub(crate) struct Providers {
    /// Which deployment is meant where several provide what is consumed: OWNER/NAME or OWNER/NAME:DEPLOYMENT.
    #[arg(long = "use", value_name = "NAME=PROVIDER")]
    pub(crate) uses: Vec<String>,
}
