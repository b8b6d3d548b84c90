//! `render`: the plugin of this example. One plugin, three modes: it renders Markdown into a site (pure), checks the links of a site
//! (pure), and compares what every host serves with the site that was rendered (an effect, because it looks at the world).
//!
//! It shows what a plugin may be: the logic knows folders and texts, and only this file knows what a step is. It must never reach the
//! network.

mod check;
mod files;
mod markdown;
mod served;
mod site;
#[cfg(test)]
mod tests;

use relrun_sdk::{About, Change, Error, Needs, Nothing, Outcome, Plugin, Result, config, need, outputs};
use std::path::Path;

/// Where `reads "…" as="site"` lays a rendered site.
const SITE: &str = "/in/site";

/// What a manifest configures.
#[config]
pub struct Config {
    /// What to do.
    mode: Mode,
    /// The site's title, for `mode "render"`.
    #[serde(default)]
    title: Option<String>,
    /// The directory on each host that `current` lies in, for `mode "served"`.
    #[serde(default)]
    root: Option<String>,
}

/// What to do.
#[config]
#[derive(Copy, PartialEq, Eq)]
pub enum Mode {
    /// Render the Markdown of `/in/work` into `/out/site`.
    Render,
    /// Check that every link inside the site of `/in/site` leads somewhere.
    Check,
    /// Compare what each host serves with the site of `/in/site`.
    Served,
}

/// What it found.
#[outputs]
pub struct Outputs {
    /// How many pages, links or files it went through.
    count: usize,
}

struct Render;

impl Plugin for Render {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Nothing;

    fn about() -> About {
        About { name: "render", version: env!("CARGO_PKG_VERSION"), summary: "Renders Markdown into a site and checks it" }
    }

    fn resolve(config: &Config) -> Result<Needs> {
        match config.mode {
            Mode::Render => title(config).map(|_| Needs::pure()),
            Mode::Check => Ok(Needs::pure()),
            Mode::Served => {
                root(config)?;
                Ok(Needs::effect().idempotent(true).with(need::host("*").because("it reads back what each host serves")))
            }
        }
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        Ok(match config.mode {
            Mode::Served => vec![Change::new("would read back what each host serves, and change nothing")],
            Mode::Render | Mode::Check => Vec::new(),
        })
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Nothing>> {
        let (summary, count) = match config.mode {
            Mode::Render => {
                let pages = site::render(Path::new("/in/work"), Path::new("/out/site"), title(&config)?)?;
                (format!("rendered {pages} pages"), pages)
            }
            Mode::Check => {
                let checked = check::links(Path::new(SITE))?;
                if !checked.broken.is_empty() {
                    return Err(Error::permanent(format!("{} links lead nowhere:\n{}", checked.broken.len(), checked.broken.join("\n"))));
                }
                (format!("all {} links inside the site lead somewhere", checked.links), checked.links)
            }
            Mode::Served => {
                let hosts = relrun_sdk::hosts::all();
                let files = served::compare(Path::new(SITE), root(&config)?, &hosts)?;
                let names: Vec<&str> = hosts.iter().map(relrun_sdk::hosts::Host::name).collect();
                (format!("all {files} files are served as they were rendered: {}", names.join(", ")), files)
            }
        };
        Ok(Outcome::new(summary, Outputs { count }))
    }
}

fn title(config: &Config) -> Result<&str> {
    config.title.as_deref().ok_or_else(|| Error::invalid("`mode \"render\"` needs a `title`"))
}

fn root(config: &Config) -> Result<&str> {
    config.root.as_deref().ok_or_else(|| Error::invalid("`mode \"served\"` needs a `root`"))
}

relrun_sdk::export!(Render);
