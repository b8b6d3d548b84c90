//! What one call of one step may do at the gate: the only place that compares a request with the grants.

use crate::{GateError, Masker, Pool, Secrets};
use hmac::{Hmac, Mac};
use http::Method;
use relrun_manifest::{Capability, HttpGrant, HttpTls, Origin, SecretGrant, SecretTarget};
use sha2::Sha256;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// Whether a call may change what it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `apply`, `undo`, `destroy`, `recover`.
    Effect,
    /// `plan`, `verify`: GET and HEAD alone, whatever the grants say.
    ReadOnly,
}

/// The grants of one call, and what they are about.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Request ∩ grant ∩ policy.
    pub capabilities: &'a [Capability],
    /// The manifest's secrets.
    pub secrets: &'a Secrets,
    /// Masks what errors say.
    pub masker: &'a Masker,
    /// Whether the call may change anything.
    pub mode: Mode,
    /// What the files of grants are relative to.
    pub root: &'a Path,
    /// The connections that this call may use again.
    pub pool: &'a Arc<Pool>,
    /// How long one exchange may take at most; the gate's own bound where it is not said.
    pub total: Option<Duration>,
}

/// A secret for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSecret<'a> {
    /// The secret's name.
    pub name: &'a str,
    /// The variable that holds it; its standard input where there is none.
    pub env: Option<&'a str>,
    /// The bytes.
    pub value: &'a str,
}

/// Where a request that was let through goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) origin: Origin,
    pub(crate) host: Host<String>,
    /// Whether a grant lets it be a private address.
    pub(crate) private: bool,
    /// The grant's own TLS.
    pub(crate) tls: HttpTls,
}

impl<'a> Access<'a> {
    /// Returns the key of a client's certificate. The grant that names it is what lets it be used, for its own origin alone.
    pub(crate) fn client_key(&self, name: &str) -> Result<&'a str, GateError> {
        self.value(name)
    }

    /// Finds a secret by its name: missing where the manifest has none, denied where no grant of any kind names it.
    pub fn secret(&self, name: &str) -> Result<(), GateError> {
        self.granted_secret(name, |_| true, || format!("secret \"{name}\" to=\"https://…\"")).map(drop)
    }

    /// Returns a secret's bytes, under `reveal=#true` alone.
    pub fn reveal(&self, name: &str) -> Result<&'a str, GateError> {
        self.granted_secret(name, |target| *target == SecretTarget::Reveal, || format!("secret \"{name}\" reveal=#true"))
    }

    /// Returns the HMAC-SHA-256 of the data, under `sign=#true` alone.
    pub fn sign(&self, name: &str, data: &[u8]) -> Result<[u8; 32], GateError> {
        let secret = self.granted_secret(name, |target| *target == SecretTarget::Sign, || format!("secret \"{name}\" sign=#true"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map_err(|_| GateError::invalid(format!("the secret \"{name}\" cannot be a key of HMAC-SHA-256")))?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().into())
    }

    /// Returns the secrets that go into a program's variables or its standard input.
    pub fn command_secrets(&self, program: &str) -> Result<Vec<CommandSecret<'a>>, GateError> {
        self.secret_grants()
            .filter_map(|grant| match &grant.target {
                SecretTarget::Command { program: granted, env } if granted == program => Some((grant.name.as_str(), env.as_deref())),
                _ => None,
            })
            .map(|(name, env)| Ok(CommandSecret { name, env, value: self.value(name)? }))
            .collect()
    }

    /// Returns a secret's bytes for a request to the origin.
    pub(crate) fn secret_for(&self, name: &str, origin: &Origin) -> Result<&'a str, GateError> {
        let covers = |target: &SecretTarget| matches!(target, SecretTarget::Http(granted) if granted.covers(origin));
        self.granted_secret(name, covers, || format!("secret \"{name}\" to=\"{origin}\""))
    }

    /// Checks scheme, host, port, method and mode.
    pub(crate) fn check(&self, method: &Method, url: &Url) -> Result<Target, GateError> {
        if matches!(*method, Method::CONNECT | Method::TRACE) {
            return Err(GateError::denied(format!("{method} is never let through")));
        }
        if self.mode == Mode::ReadOnly && !matches!(*method, Method::GET | Method::HEAD) {
            return Err(GateError::denied(format!("{method} may change {}: only GET and HEAD are let through here", self.show(url))));
        }
        let (origin, host) = origin_of(url).map_err(|message| GateError::invalid(format!("{}: {message}", self.show(url))))?;
        let (mut covered, mut private, mut tls) = (false, false, HttpTls::default());
        for grant in self.http_grants().filter(|grant| grant.origin.covers(&origin) && grant.methods.contains(method.as_str())) {
            covered = true;
            private |= grant.private;
            if tls.is_usual() {
                tls = grant.tls.clone();
            }
        }
        if covered {
            return Ok(Target { origin, host, private, tls });
        }
        let help = format!("add `http \"{origin}\" methods=\"{method}\"` to the step's `grant` block");
        Err(GateError::denied(format!("no grant covers {method} {}", self.show(url))).with_help(help))
    }

    /// Returns a URL for people: without query and fragment, masked.
    pub(crate) fn show(&self, url: &Url) -> String {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        // Neither can fail on a URL with a host; without a host there is no user either.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        self.masker.mask(url.as_str()).into_owned()
    }

    fn http_grants(&self) -> impl Iterator<Item = &'a HttpGrant> {
        self.capabilities.iter().filter_map(|capability| match capability {
            Capability::Http(grant) => Some(grant),
            _ => None,
        })
    }

    fn secret_grants(&self) -> impl Iterator<Item = &'a SecretGrant> {
        self.capabilities.iter().filter_map(|capability| match capability {
            Capability::Secret(grant) => Some(grant),
            _ => None,
        })
    }

    fn granted_secret(&self, name: &str, fits: impl Fn(&SecretTarget) -> bool, line: impl Fn() -> String) -> Result<&'a str, GateError> {
        if self.secret_grants().any(|grant| grant.name == name && fits(&grant.target)) {
            return self.value(name);
        }
        let help = format!("add `{}` to the step's `grant` block", line());
        Err(GateError::denied(format!("no grant covers this use of the secret \"{name}\"")).with_help(help))
    }

    fn value(&self, name: &str) -> Result<&'a str, GateError> {
        self.secrets.get(name).ok_or_else(|| GateError::missing(format!("the secret \"{name}\" has no value")))
    }
}

/// Takes a URL apart; the error names what is wrong with it, without the URL.
pub(crate) fn origin_of(url: &Url) -> Result<(Origin, Host<String>), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http and https are let through");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user or password may not stand in the address");
    }
    let host = url.host().ok_or("the address names no host")?.to_owned();
    let port = url.port_or_known_default().filter(|&port| port != 0).ok_or("port 0 is no port")?;
    Ok((Origin { scheme: url.scheme().to_owned(), host: url.host_str().unwrap_or_default().to_owned(), port }, host))
}
