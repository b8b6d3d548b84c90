//! `plugin add|update|prefetch|list|push|sign|verify|key` and `bundle`: where plugins come from, and who vouches for them.

use super::ManifestArg;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The part of `plugin` that is about where plugins come from.
#[derive(Debug, Subcommand)]
pub(crate) enum SupplyCommand {
    /// Add a plugin to the manifest, and lock it.
    Add {
        /// Where it comes from: `oci://…`, `https://…`, `bundle:NAME/PLUGIN` or a file.
        #[arg(value_name = "REF")]
        from: String,
        /// How steps name it; by default the last part of where it comes from.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What its component must be: `blake3:…` or `sha256:…`; needed for `https://`.
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Ask again where plugins come from, show what is other, and lock it.
    Update {
        /// Which plugins; by default all that the manifest names.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Take also what asks for more than before.
        #[arg(long)]
        accept: bool,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Bring every plugin of the manifest onto this machine, so that `--offline` needs no network.
    Prefetch {
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// The plugins of the manifest, and what they are locked to.
    List {
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Send a component to a registry, where its tag never changes.
    Push {
        /// The component.
        #[arg(value_name = "COMPONENT")]
        component: PathBuf,
        /// Where to: `oci://REGISTRY/REPOSITORY:TAG`, or `oci-layout:DIRECTORY:TAG`.
        #[arg(value_name = "REF")]
        to: String,
        /// What is said of it; by default the `plugin.kdl` of the folder that it was built in.
        #[arg(long, value_name = "FILE")]
        facts: Option<PathBuf>,
        /// Let the tag stand for this component although it stood for another.
        #[arg(long)]
        move_tag: bool,
        #[command(flatten)]
        key: KeyArg,
    },
    /// Sign a component: its signature is written beside the file, or attached to it in its registry.
    Sign {
        /// The component: a file, or `oci://REGISTRY/REPOSITORY:TAG`.
        #[arg(value_name = "COMPONENT|REF")]
        what: String,
        #[command(flatten)]
        key: KeyArg,
    },
    /// Say who signed a component, and end with 2 where nobody did who is trusted.
    Verify {
        /// The component: a file, or `oci://REGISTRY/REPOSITORY:TAG`.
        #[arg(value_name = "COMPONENT|REF")]
        what: String,
        #[command(flatten)]
        trust: TrustArg,
    },
    /// Keys that sign plugins and bundles.
    #[command(subcommand)]
    Key(KeyCommand),
}

/// `plugin key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key: FILE is secret, FILE.pub is what policy names.
    New {
        /// The file of the secret key.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Without a passphrase: whoever can read the file can sign.
        #[arg(long)]
        no_passphrase: bool,
    },
    /// Print the id of a key, as `revoke` in policy names it.
    Id {
        /// A public key, or a file that holds one.
        #[arg(value_name = "KEY|FILE")]
        key: String,
    },
}

/// Which key signs.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeyArg {
    /// The secret key: a file, or `env:NAME`, `file:PATH`, `cmd:PROGRAM ARG…`, `stdin`; by default what `RELRUN_PLUGIN_KEY` says.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// Which keys are trusted.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrustArg {
    /// A public key that must have signed, or a file that holds one; by default those that policy names.
    #[arg(long = "key", value_name = "KEY|FILE")]
    pub(crate) keys: Vec<String>,
}

/// `bundle`.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Make a signed bundle of what a bundle.kdl names.
    Build {
        /// What is to go into it.
        #[arg(value_name = "FILE", default_value = "bundle.kdl")]
        file: PathBuf,
        /// Write it as one file; by default NAME-SERIAL.tar, unless it is pushed.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Push it: `oci://REGISTRY/REPOSITORY`, under its serial and `latest`.
        #[arg(long, value_name = "PLACE")]
        to: Option<String>,
        #[command(flatten)]
        key: KeyArg,
    },
    /// Take a bundle onto this machine, if somebody who is trusted signed it.
    Add {
        /// A file, or `oci://REGISTRY/REPOSITORY:TAG`.
        #[arg(value_name = "FILE|REF")]
        what: String,
        /// Take one that is older than what was seen here.
        #[arg(long)]
        allow_older: bool,
        #[command(flatten)]
        trust: TrustArg,
    },
    /// The bundles of this machine, and their plugins.
    List,
    /// What is other in one bundle than in another.
    Diff {
        /// The earlier one: a file, a reference, or the name of a bundle of this machine.
        #[arg(value_name = "OLD")]
        old: String,
        /// The later one.
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Say who signed a bundle, and end with 2 where nobody did who is trusted.
    Verify {
        /// A file, a reference, or the name of a bundle of this machine.
        #[arg(value_name = "BUNDLE")]
        what: String,
        #[command(flatten)]
        trust: TrustArg,
    },
}
