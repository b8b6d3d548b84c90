//! `plugin`: for who writes plugins, and for who decides which of them run.

use super::{ManifestArg, SupplyCommand};
use clap::Subcommand;
use relrun_manifest::Language;
use std::path::PathBuf;

fn language(word: &str) -> Result<Language, String> {
    word.parse()
}

/// `plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Write the folder of a new plugin, which builds and passes its tests as it is.
    New {
        /// Its name: lower-case letters, digits and `-`.
        name: String,
        /// What it is written in.
        #[arg(long, value_name = "LANGUAGE", value_parser = language)]
        lang: Language,
        /// Where; by default a folder of its name.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Write this relrun's SDK into a plugin's folder, in place of the one that is there.
    Vendor {
        /// The plugin's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Build a plugin into one component; the language's tools are found, or fetched by its own package manager.
    Build {
        /// The plugin's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Build a plugin, and run its test cases in the real host.
    Test {
        /// The plugin's folder; what is no folder is the filter.
        #[arg(value_name = "DIR|FILTER")]
        what: Vec<String>,
        /// Write the snapshots that differ.
        #[arg(long)]
        update: bool,
        /// Test the component as it is.
        #[arg(long)]
        no_build: bool,
        /// Where the cases lie; by default in `tests` of the plugin's folder.
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
    },
    /// Build and test a plugin again whenever something in its folder changes, until Ctrl-C.
    Dev {
        /// The plugin's folder; what is no folder is the filter.
        #[arg(value_name = "DIR|FILTER")]
        what: Vec<String>,
        /// Write the snapshots that differ.
        #[arg(long)]
        update: bool,
    },
    /// Say whether a component fits this relrun's plugin world, and if not, which import or export does not.
    Check {
        /// The component, or the folder of a plugin.
        #[arg(value_name = "COMPONENT|DIR", default_value = ".")]
        what: PathBuf,
        /// Ask what it needs for this config: JSON, or @FILE.
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
    },
    /// Show what a plugin takes and gives, what it reaches, and what it says of both.
    Inspect {
        /// A component, the folder of a plugin, a plugin of the manifest, or a bundled one.
        #[arg(value_name = "COMPONENT|NAME")]
        what: String,
        #[command(flatten)]
        manifest: ManifestArg,
    },
    /// Where plugins come from, and who vouches for them.
    #[command(flatten)]
    Supply(SupplyCommand),
}
