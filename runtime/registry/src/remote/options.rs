//! What the caller hands in, for this room reads no environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

/// Returns the proxy through which a URL is reached, with its user and password, if there is one; or why the one that is named cannot be used.
pub type ProxyOf = dyn Fn(&Url) -> Result<Option<Url>, String> + Send + Sync;

/// Told of what comes down: what it is, how many bytes have come, and of how many where that is known.
pub type Progress = Arc<dyn Fn(&str, u64, Option<u64>) + Send + Sync>;

/// How a client reaches registries.
#[derive(Clone)]
pub struct ClientOptions {
    /// Docker's `config.json`, for its `auths`, `credHelpers` and `credsStore`. A file that does not exist holds nothing.
    pub docker_config: Option<PathBuf>,
    /// Credentials that go before those of docker's config, by registry as a reference names it.
    pub credentials: BTreeMap<String, Credential>,
    /// PEM files of authorities that are trusted beside the public ones.
    pub ca_files: Vec<PathBuf>,
    /// Registries, as a reference names them, that are spoken to in plain HTTP. One on the loopback is found out without this.
    pub plain_http: Vec<String>,
    /// The proxies for everything but the loopback.
    pub proxy: Option<Arc<ProxyOf>>,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// How failures that may pass are met.
    pub retry: Retry,
    /// Blobs larger than this are sent in chunks of it, in bytes; so much is in memory for each blob on its way.
    pub chunk: u64,
    /// Who is told of what comes down.
    pub progress: Option<Progress>,
}

impl ClientOptions {
    /// Tells whoever wants to know how far something has come.
    pub(crate) fn tell(&self, what: &str, count: u64, of: Option<u64>) {
        if let Some(progress) = &self.progress {
            progress(what, count, of);
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ClientOptions")
            .field("docker_config", &self.docker_config)
            .field("credentials", &self.credentials)
            .field("ca_files", &self.ca_files)
            .field("plain_http", &self.plain_http)
            // Its URL may hold a password.
            .field("proxy", &self.proxy.is_some())
            .field("timeouts", &self.timeouts)
            .field("retry", &self.retry)
            .field("chunk", &self.chunk)
            .finish_non_exhaustive()
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            docker_config: None,
            credentials: BTreeMap::new(),
            ca_files: Vec::new(),
            plain_http: Vec::new(),
            proxy: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            chunk: 16 << 20,
            progress: None,
        }
    }
}

/// How long anything may take. Together they bound every exchange, however slowly its bytes come.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Until an answer begins, beside the time that sending takes.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// The slowest that bytes may go, in bytes a second.
    pub slowest: u64,
    /// Until a credential helper has answered.
    pub helper: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), answer: seconds(60), idle: seconds(30), slowest: 16 << 10, helper: seconds(30) }
    }
}

impl Timeouts {
    /// Returns how long an exchange of `size` bytes may take.
    pub(crate) fn whole(&self, size: u64) -> Duration {
        self.answer + Duration::from_secs(size / self.slowest.max(1))
    }
}

/// How failures that may pass are met: 408, 429, 5xx, and connections that break.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// How often something is tried.
    pub attempts: u32,
    /// The wait after the first failure; it doubles.
    pub first: Duration,
    /// The longest wait of our own.
    pub longest: Duration,
    /// The longest wait that a registry may ask for with `retry-after`; where it asks for more, the error says so at once.
    pub longest_asked: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { attempts: 6, first: Duration::from_millis(250), longest: seconds(10), longest_asked: seconds(60) }
    }
}

/// Who asks. It never shows its secret.
#[derive(Clone)]
pub enum Credential {
    /// A name and a password, or an access token in a password's place.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// What a registry's token server gives tokens for, as `docker login` keeps it.
    IdentityToken(Zeroizing<String>),
}

impl Credential {
    /// Returns the credential of a user with a password.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Password { user: user.into(), password: Zeroizing::new(password.into()) }
    }

    /// Returns who this is, as it may be shown.
    pub(crate) fn who(&self) -> String {
        match self {
            Self::Password { user, .. } => format!("`{user}`"),
            Self::IdentityToken(_) => "the holder of this identity token".to_owned(),
        }
    }

    /// Returns the text that must never be shown.
    pub(crate) fn secret(&self) -> &str {
        match self {
            Self::Password { password: secret, .. } | Self::IdentityToken(secret) => secret,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credential({})", self.who())
    }
}
