//! `registry-push`: makes a container image of trees, or takes an OCI layout, and pushes it to a registry.
//!
//! It knows the `registry` interface alone: the host makes the image, and holds the credentials. It must never point a tag that never changes at
//! another image, and in going back never touch a tag that somebody moved since.

mod config;
#[cfg(test)]
mod tests;

pub use config::Config;

use config::Tag;
use relrun_sdk::registry::{Repository, repository};
use relrun_sdk::{
    About, Came, Change, Error, ErrorKind, Health, Needs, Outcome, Plugin, Recovery, Result, checkpoint, context, log, need, outputs,
    receipt,
};

/// What the steps behind it may refer to.
#[outputs]
pub struct Outputs {
    /// The image's digest, `sha256:…`.
    digest: String,
    /// The image, as other programs name it: `REPOSITORY@DIGEST`.
    reference: String,
    /// The repository.
    repository: String,
    /// The tags that stand for it.
    tags: Vec<String>,
}

/// What undo needs.
#[receipt]
pub struct Receipt {
    /// The repository.
    repository: String,
    /// The image's digest.
    digest: String,
    /// The tags that were pointed at it.
    tags: Vec<Pointed>,
}

/// A tag.
#[receipt]
struct Pointed {
    /// Its name.
    tag: String,
    /// Whether it never changes.
    fixed: bool,
    /// What it stood for before; nothing where it was new.
    #[serde(default)]
    previous: Option<String>,
}

struct RegistryPush;

impl Plugin for RegistryPush {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Receipt;

    fn about() -> About {
        About {
            name: "registry-push",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Makes a container image of trees and pushes it to a registry",
        }
    }

    fn resolve(config: &Config) -> Result<Needs> {
        config.check()?;
        let to = need::registry(&config.repository).because("the image is pushed there");
        let needs = Needs::effect().idempotent(true).with(to);
        Ok(match config.mount_from.as_ref().filter(|from| **from != config.repository) {
            Some(from) => needs.with(need::registry(from).because("layers that it has already are taken over from it")),
            None => needs,
        })
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        if !config.is_known() {
            return Ok(vec![Change::new(format!("would push an image to {}", config.repository))]);
        }
        let (digest, to) = (config.image().digest()?, repository(&config.repository));
        let mut changes = Vec::new();
        if to.find(&digest)?.is_none() {
            changes.push(Change::new(format!("would push {digest} to {}", config.repository)));
        }
        for tag in config.tags()? {
            if tag.name.contains("${") {
                changes.push(Change::new(format!("would point the tag {} at {digest}", tag.name)));
                continue;
            }
            changes.extend(match to.find(&tag.name)? {
                Some(there) if there == digest => None,
                Some(there) if tag.fixed => return Err(taken(&config.repository, &tag.name, &there, &digest)),
                Some(there) => Some(Change::new(format!("would move the tag {} from {there} to {digest}", tag.name))),
                None => Some(Change::new(format!("would make the tag {} for {digest}", tag.name))),
            });
        }
        Ok(changes)
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Receipt>> {
        config.check()?;
        let (image, to, tags) = (config.image(), repository(&config.repository), config.tags()?);
        let digest = image.digest()?;
        let receipt = survey(&to, digest, tags)?;
        checkpoint(&receipt)?;
        let pushed = to.push(&image)?;
        log::info(&format!(
            "{}: {} sent, {} there already, {} taken over from another repository",
            pushed.digest, pushed.sent, pushed.existed, pushed.mounted
        ));
        for tag in &receipt.tags {
            if tag.previous.as_ref() != Some(&receipt.digest) {
                to.tag(&receipt.digest, &tag.tag, tag.fixed)?;
                log::info(&format!("{}:{} -> {}", to.name(), tag.tag, receipt.digest));
            }
        }
        Ok(outcome(receipt))
    }

    fn recover(_: Config, came: Came<Receipt>) -> Result<Recovery<Outputs, Receipt>> {
        let receipt = match came {
            Came::Untouched => return Ok(Recovery::NotDone),
            Came::Begun => return Err(Error::other("the checkpoint does not say what the tags stood for")),
            Came::Saved(receipt) => receipt,
        };
        let to = repository(&receipt.repository);
        let is_there = to.find(&receipt.digest)?.is_some();
        let mut pointed = 0;
        for tag in &receipt.tags {
            pointed += usize::from(to.find(&tag.tag)?.as_ref() == Some(&receipt.digest));
        }
        // What was only sent, and no tag stands for, changes nothing for anybody.
        let is_untouched = receipt.tags.iter().filter(|tag| tag.previous.as_ref() == Some(&receipt.digest)).count() == pointed;
        Ok(if is_there && pointed == receipt.tags.len() {
            Recovery::Done(outcome(receipt))
        } else if is_untouched {
            Recovery::NotDone
        } else {
            Recovery::Partly(receipt)
        })
    }

    fn verify(_: Config, receipt: Receipt) -> Result<Health> {
        let to = repository(&receipt.repository);
        let mut drifted = Vec::new();
        for tag in &receipt.tags {
            match to.find(&tag.tag)? {
                Some(there) if there == receipt.digest => {}
                Some(there) => drifted.push(Change::new(format!("{}:{} is {there}, and was {}", to.name(), tag.tag, receipt.digest))),
                None => drifted.push(Change::new(format!("{}:{} is gone", to.name(), tag.tag))),
            }
        }
        if to.find(&receipt.digest)?.is_none() {
            return Ok(Health::Gone);
        }
        Ok(if drifted.is_empty() { Health::Intact } else { Health::Drifted(drifted) })
    }

    fn undo(_: Config, receipt: Receipt) -> Result<String> {
        back(&receipt, |tag| tag.previous.clone())
    }

    fn destroy(_: Config, receipt: Receipt) -> Result<String> {
        back(&receipt, |_| None)
    }
}

/// Looks at what the tags stand for now. One that never changes and stands for another image is refused before anything is sent. What an earlier attempt
/// of this release has pointed already stood for something else before, and that attempt wrote down for what.
fn survey(to: &Repository, digest: String, tags: Vec<Tag>) -> Result<Receipt> {
    let earlier = context::unfinished::<Receipt>()?.filter(|earlier| earlier.repository == to.name());
    let before = |tag: &str, now: Option<String>| {
        let earlier = earlier.as_ref().filter(|earlier| now.as_ref() == Some(&earlier.digest));
        let known = earlier.and_then(|earlier| earlier.tags.iter().find(|pointed| pointed.tag == tag));
        known.map_or(now, |pointed| pointed.previous.clone())
    };
    let mut pointed = Vec::with_capacity(tags.len());
    for tag in tags {
        let now = to.find(&tag.name)?;
        if let Some(there) = now.as_ref().filter(|there| tag.fixed && **there != digest) {
            return Err(taken(to.name(), &tag.name, there, &digest));
        }
        let previous = before(&tag.name, now);
        pointed.push(Pointed { tag: tag.name, fixed: tag.fixed, previous });
    }
    Ok(Receipt { repository: to.name().to_owned(), digest, tags: pointed })
}

fn taken(repository: &str, tag: &str, there: &str, here: &str) -> Error {
    Error::permanent(format!("{repository}:{tag} never changes, and it is {there}, and this is {here}: push under another tag"))
}

fn outcome(receipt: Receipt) -> Outcome<Outputs, Receipt> {
    let reference = format!("{}@{}", receipt.repository, receipt.digest);
    let tags: Vec<String> = receipt.tags.iter().map(|tag| tag.tag.clone()).collect();
    let named = if tags.is_empty() { String::new() } else { format!(" as {}", tags.join(", ")) };
    let outputs = Outputs { digest: receipt.digest.clone(), reference: reference.clone(), repository: receipt.repository.clone(), tags };
    Outcome::new(format!("{reference} is there{named}"), outputs).receipt(receipt)
}

/// Takes the tags back, the last one first: each to what `before` says, or away. One that somebody moved since is left alone.
fn back(receipt: &Receipt, before: impl Fn(&Pointed) -> Option<String>) -> Result<String> {
    let to = repository(&receipt.repository);
    let (mut back, mut left) = (0_usize, Vec::new());
    for tag in receipt.tags.iter().rev() {
        let now = to.find(&tag.tag)?;
        if now.as_ref() != Some(&receipt.digest) {
            if now.is_some() {
                left.push(format!("{} was moved since", tag.tag));
            }
            continue;
        }
        match before(tag) {
            Some(previous) if previous == receipt.digest => {}
            Some(previous) => {
                to.tag(&previous, &tag.tag, false)?;
                back += 1;
            }
            None => match to.untag(&tag.tag) {
                Ok(()) => back += 1,
                Err(error) if error.kind() == ErrorKind::Other => left.push(format!("{} stays: {error}", tag.tag)),
                Err(error) => return Err(error),
            },
        }
    }
    for line in &left {
        log::warn(line);
    }
    let rest = if left.is_empty() { String::new() } else { format!("; {}", left.join("; ")) };
    Ok(format!("{back} of {} tags of {} are as before{rest}", receipt.tags.len(), receipt.repository))
}

relrun_sdk::export!(RegistryPush);
