//! Request ∩ grant ∩ policy: the one place that compares capabilities.

use super::pattern::glob_covers;
use super::{Capability, Confine, HttpGrant, RunGrant, SecretGrant, SecretTarget};
use crate::Policy;
use std::fmt;

/// A request that nothing covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What was asked for. Its [`Display`](fmt::Display) is the line to add.
    pub request: Capability,
    /// Who does not let it through.
    pub because: MissingBecause,
}

/// Who does not let a request through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingBecause {
    /// The manifest grants nothing that covers it.
    NotGranted,
    /// This policy's `allow` holds nothing that covers it.
    NotAllowed(String),
    /// This policy refuses commands without confinement.
    Unconfined(String),
    /// This policy refuses commands in the work tree itself.
    InPlace(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        match &self.because {
            MissingBecause::NotGranted => write!(f, "`{request}` is not granted"),
            MissingBecause::NotAllowed(from) => write!(f, "the policy in {from} allows nothing that covers `{request}`"),
            MissingBecause::Unconfined(from) => write!(f, "the policy in {from} refuses `confine=\"none\"`, which `{request}` asks for"),
            MissingBecause::InPlace(from) => write!(f, "the policy in {from} refuses `in-place=#true`, which `{request}` asks for"),
        }
    }
}

impl Missing {
    /// Returns what a person can do about it.
    pub fn help(&self) -> String {
        match &self.because {
            MissingBecause::NotGranted => format!("add `grant {{ {} }}` to the step", self.request),
            MissingBecause::NotAllowed(from) => format!("ask whoever keeps the policy in {from} to allow it"),
            MissingBecause::Unconfined(_) => "take `confine=\"none\"` out of the grant".to_owned(),
            MissingBecause::InPlace(_) => "take `in-place=#true` out of the grant".to_owned(),
        }
    }
}

/// Returns what a step may do: each request, if a grant and the policy cover it, and nothing that was not asked for. How far it reaches
/// (arguments, methods, paths, names) is the request's; how it is held (`in-place`, `confine`, `readonly`, `network`, `private`) is the
/// covering grant's, because the manifest's author decides that and plugins know nothing of it. Of several grants, the first that the policy lets through counts.
pub fn effective(requests: &[Capability], grants: &[Capability], policy: &Policy) -> Result<Vec<Capability>, Vec<Missing>> {
    let (mut held, mut missing) = (Vec::new(), Vec::new());
    for request in requests {
        match hold(request, grants, policy) {
            Ok(capability) => held.push(capability),
            Err(because) => missing.push(Missing { request: request.clone(), because }),
        }
    }
    if missing.is_empty() { Ok(held) } else { Err(missing) }
}

fn hold(request: &Capability, grants: &[Capability], policy: &Policy) -> Result<Capability, MissingBecause> {
    let mut first_refusal = None;
    for grant in grants.iter().filter(|grant| grant.covers(request)) {
        let held = request.held_by(grant);
        match policy.check(&held) {
            Ok(()) => return Ok(held),
            Err(because) => first_refusal = first_refusal.or(Some(because)),
        }
    }
    Err(first_refusal.unwrap_or(MissingBecause::NotGranted))
}

impl Policy {
    /// Checks one capability against the bounds.
    pub fn check(&self, capability: &Capability) -> Result<(), MissingBecause> {
        if let Capability::Run(run) = capability {
            if let Some(from) = self.refuse_unconfined.as_ref().filter(|_| run.confine == Confine::None) {
                return Err(MissingBecause::Unconfined(from.clone()));
            }
            if let Some(from) = self.refuse_in_place.as_ref().filter(|_| run.in_place) {
                return Err(MissingBecause::InPlace(from.clone()));
            }
        }
        match self.allow.iter().find(|bound| !bound.says.iter().any(|allowed| allowed.covers(capability))) {
            Some(bound) => Err(MissingBecause::NotAllowed(bound.from.clone())),
            None => Ok(()),
        }
    }
}

impl Capability {
    /// Returns whether whoever has this one may do all that the other lets do. Every capability covers itself; what covers a cover covers
    /// what that covers.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Run(a), Self::Run(b)) => a.covers(b),
            (Self::Http(a), Self::Http(b)) => a.covers(b),
            (Self::Read(a) | Self::Write(a), Self::Read(b)) | (Self::Write(a), Self::Write(b)) => covers_path(a, b),
            (Self::Env(a), Self::Env(b)) | (Self::Registry(a), Self::Registry(b)) => a == b,
            (Self::Secret(a), Self::Secret(b)) => a.covers(b),
            (Self::Host(a), Self::Host(b)) => glob_covers(a, b),
            (Self::Kubernetes { .. }, Self::Kubernetes { .. }) => self == other,
            _ => false,
        }
    }

    /// This request, with the qualities of the grant that covers it.
    fn held_by(&self, grant: &Self) -> Self {
        match (self, grant) {
            (Self::Run(asked), Self::Run(granted)) => {
                Self::Run(RunGrant { argv: asked.argv.clone(), on: asked.on.clone(), ..granted.clone() })
            }
            (Self::Http(asked), Self::Http(granted)) => {
                Self::Http(HttpGrant { private: granted.private, tls: granted.tls.clone(), ..asked.clone() })
            }
            _ => self.clone(),
        }
    }
}

impl RunGrant {
    fn covers(&self, other: &Self) -> bool {
        let covers_place = match (&self.on, &other.on) {
            (None, None) => true,
            (Some(a), Some(b)) => glob_covers(a, b),
            _ => false,
        };
        covers_place
            && self.covers_argv(other)
            && (self.in_place || !other.in_place)
            && (self.confine == Confine::None || other.confine == Confine::Full)
            && (self.readonly || !other.readonly)
            && (self.network || !other.network)
    }
}

impl HttpGrant {
    fn covers(&self, other: &Self) -> bool {
        self.origin.covers(&other.origin)
            && other.methods.is_subset(&self.methods)
            && (self.private || !other.private)
            // Whose certificates count there, and with which secret somebody asks, is more than the usual.
            && (other.tls.is_usual() || self.tls == other.tls)
    }
}

impl SecretGrant {
    fn covers(&self, other: &Self) -> bool {
        let target = match (&self.target, &other.target) {
            (SecretTarget::Http(a), SecretTarget::Http(b)) => a.covers(b),
            (a, b) => a == b,
        };
        self.name == other.name && target
    }
}

/// Returns whether a path is the other or one of the directories above it. Both are normal: [`normal_path`] made them.
fn covers_path(above: &str, below: &str) -> bool {
    match above {
        "." => !below.starts_with('/'),
        "/" => below.starts_with('/'),
        _ => below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

/// Returns the path without `.`, doubled and final slashes; absent where it is empty or holds `..`.
pub(super) fn normal_path(path: &str) -> Option<String> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if path.is_empty() || path.contains('\0') || parts.contains(&"..") {
        return None;
    }
    let joined = parts.join("/");
    Some(match (path.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    })
}
