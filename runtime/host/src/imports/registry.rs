//! `registry`: images for granted repositories. The host makes them of trees that the step may name, and talks to the registry with credentials
//! that the guest never holds.

use super::span;
use crate::attempt::{Attempt, Mode};
use crate::bindings::registry;
use crate::bindings::types::Error;
use crate::error::CallError;
use crate::image::{self, Made};
use crate::state::{State, Ways};
use relrun_manifest::Capability;
use relrun_registry::{Name, Place, PushAs, Pushed, Reference, RegistryError, Repository, Tag, Transfer};
use std::sync::Arc;
use tracing::Instrument;

impl Attempt {
    /// Returns the place of a repository that the grants name.
    fn repository(&self, repository: &str) -> Result<(Place, String), CallError> {
        let asked = Capability::Registry(repository.to_owned());
        let capability = asked.to_string();
        self.stop.check()?;
        self.effects_only(&capability)?;
        if !self.capabilities.iter().any(|granted| granted.covers(&asked)) {
            return Err(self.deny(&capability, format!("no grant covers it: add `{capability}` to the step's `grant` block")));
        }
        let reference: Reference = repository.parse().map_err(|error| told(&error))?;
        match reference {
            Reference { place: place @ Place::Remote { .. }, tag: None, digest: None } => Ok((place, capability)),
            _ => {
                Err(CallError::invalid(format!("`{repository}` is no repository of a registry, such as `registry.example.com/acme/shop`")))
            }
        }
    }

    /// Refuses to change what `plan` and `verify` look at.
    fn may_change(&self, capability: &str) -> Result<(), CallError> {
        if self.mode == Mode::Full { Ok(()) } else { Err(self.deny(capability, "`plan` and `verify` change nothing")) }
    }
}

/// What a call works with: the store itself cannot be looked at from several threads.
struct Desk<'s> {
    attempt: &'s Attempt,
    ways: &'s Ways,
}

impl State {
    fn desk(&self) -> Desk<'_> {
        Desk { attempt: &self.attempt, ways: &self.ways }
    }
}

impl Desk<'_> {
    async fn open(&self, repository: &str) -> Result<(Arc<dyn Repository>, String), CallError> {
        let (place, capability) = self.attempt.repository(repository)?;
        let client = self.ways.registries().map_err(CallError::permanent)?;
        let opened = self.attempt.stop.race(async { client.open(&place).await.map_err(|error| told(&error)) }).await?;
        self.attempt.using(&capability, None);
        Ok((opened, capability))
    }

    /// Makes an image, once an attempt for the same words.
    async fn made(&self, image: &str) -> Result<Arc<Made>, CallError> {
        let attempt = self.attempt;
        attempt.stop.check()?;
        attempt.effects_only("registry")?;
        let files = attempt.files("registry")?;
        attempt.stop.race(image::make(files, image)).instrument(span("registry.make")).await
    }

    /// Returns the name of a repository that layers may be taken over from: another of the same registry, which the grants name too.
    fn mount_from(&self, made: &Made, to: &dyn Repository) -> Result<Option<String>, CallError> {
        let Some(from) = &made.mount_from else { return Ok(None) };
        let (place, _) = self.attempt.repository(from)?;
        match (place, to.place()) {
            (Place::Remote { registry, repository }, Place::Remote { registry: other, .. }) if registry == *other => Ok(Some(repository)),
            _ => Err(CallError::invalid(format!(
                "layers are taken over within one registry alone, and {from} is in another than {}",
                to.place()
            ))),
        }
    }
}

impl registry::Host for State {
    async fn digest(&mut self, image: String) -> Result<String, CallError> {
        Ok(self.desk().made(&image).await?.digest().to_string())
    }

    async fn find(&mut self, repository: String, name: String) -> Result<Option<String>, CallError> {
        let name = named(&name)?;
        let desk = self.desk();
        let (opened, _) = desk.open(&repository).await?;
        let find = async { opened.find(&name).await.map_err(|error| told(&error)) };
        let found = desk.attempt.stop.race(find).instrument(span("registry.find")).await?;
        Ok(found.map(|digest| digest.to_string()))
    }

    async fn push(&mut self, repository: String, image: String) -> Result<String, CallError> {
        let desk = self.desk();
        let (opened, capability) = desk.open(&repository).await?;
        desk.attempt.may_change(&capability)?;
        let made = desk.made(&image).await?;
        let transfer = Transfer { mount_from: desk.mount_from(&made, &*opened)?, ..Transfer::new(made.folder()) };
        let push = async { made.push(&transfer, &*opened).await.map_err(|error| told(&error)) };
        let delivery = desk.attempt.stop.race(push).instrument(span("registry.push")).await?;
        desk.attempt.using(&capability, Some(delivery.digest.as_ref()));
        let count = |way: Pushed| delivery.blobs.iter().filter(|(_, how)| *how == way).count();
        let answer = serde_json::json!({
            "digest": delivery.digest.to_string(), "sent": count(Pushed::Sent), "existed": count(Pushed::Existed), "mounted": count(Pushed::Mounted),
        });
        Ok(answer.to_string())
    }

    async fn tag(&mut self, repository: String, digest: String, tag: String, fixed: bool) -> Result<(), CallError> {
        let (name, tag) = (named(&digest)?, tag.parse::<Tag>().map_err(|error| told(&error))?);
        let desk = self.desk();
        let (opened, capability) = desk.open(&repository).await?;
        desk.attempt.may_change(&capability)?;
        let push_as = if fixed { PushAs::Immutable(tag) } else { PushAs::Tagged(tag) };
        let point = async {
            let manifest = opened.resolve(&name).await?;
            opened.push_manifest(&manifest, &push_as).await.map(drop)
        };
        let point = async { point.await.map_err(|error| told(&error)) };
        desk.attempt.stop.race(point).instrument(span("registry.tag")).await
    }

    async fn untag(&mut self, repository: String, tag: String) -> Result<(), CallError> {
        let tag = tag.parse::<Tag>().map_err(|error| told(&error))?;
        let desk = self.desk();
        let (opened, capability) = desk.open(&repository).await?;
        desk.attempt.may_change(&capability)?;
        let untag = async {
            match opened.delete_tag(&tag).await {
                Err(error) if error.is_not_found() => Ok(()),
                done => done.map_err(|error| told(&error)),
            }
        };
        desk.attempt.stop.race(untag).instrument(span("registry.untag")).await
    }
}

fn named(text: &str) -> Result<Name, CallError> {
    if text.contains(':') {
        let digest = text.parse().map_err(|_| CallError::invalid(format!("`{text}` is no digest")))?;
        return Ok(Name::Digest(digest));
    }
    text.parse().map(Name::Tag).map_err(|error| told(&error))
}

/// Says an error of a registry to a plugin, with what a person can do about it.
pub(crate) fn told(error: &RegistryError) -> CallError {
    let help = miette::Diagnostic::help(error).map_or_else(String::new, |help| format!("; {help}"));
    let text = format!("{}{help}", with_causes(error));
    CallError::Told(match error {
        RegistryError::Reference { .. } | RegistryError::Malformed { .. } | RegistryError::Tree { .. } => Error::Invalid(text),
        RegistryError::NotFound { .. } => Error::Missing(text),
        RegistryError::Denied { .. } | RegistryError::Credentials { .. } => Error::Denied(text),
        RegistryError::Unreachable { .. } => Error::Transient(text),
        RegistryError::Refused { status, .. } if *status == 429 || *status >= 500 => Error::Transient(text),
        RegistryError::Unsupported { .. } => Error::Other(text),
        _ => Error::Permanent(text),
    })
}

/// Returns an error with all that caused it, in one line.
fn with_causes(error: &RegistryError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
