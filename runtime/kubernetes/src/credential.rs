//! Who asks: where the credentials come from, how long they hold, and when they are asked for again.

use crate::cluster::Reached;
use crate::exec::{self, Status};
use crate::kubeconfig::{ExecEntry, UserEntry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use relrun_gate::{GateError, Identity, Masker, Secrets};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long a token that was read from a file is believed: who writes it renews it in time.
const READ_AGAIN: Duration = Duration::from_mins(1);
/// How long before their end credentials are asked for again.
const EARLY: Duration = Duration::from_secs(30);

/// Where credentials come from.
#[derive(Clone)]
pub(crate) enum Source {
    Nobody,
    Fixed(Zeroizing<String>),
    TokenFile(PathBuf),
    Exec(ExecEntry),
}

/// Credentials, and until when they hold.
pub(crate) struct Held {
    /// The whole value of `Authorization`.
    pub(crate) authorization: Option<Zeroizing<String>>,
    /// Who the client is in TLS, where the credentials say so.
    pub(crate) identity: Option<Identity>,
    /// What masks them in an answer, which may say them back.
    pub(crate) masker: Option<Arc<Masker>>,
    until: Option<Instant>,
}

impl Source {
    /// Reads what a user's entry says, in kubectl's order: a certificate goes beside any of these.
    pub(crate) fn of(user: &UserEntry) -> Result<Self, GateError> {
        if user.impersonate.is_some() {
            return Err(GateError::invalid("the kubeconfig's user acts as another one (`as`), which this relrun does not do"));
        }
        if let Some(token) = user.token.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Self::Fixed(bearer(token)));
        }
        if let Some(file) = &user.token_file {
            return Ok(Self::TokenFile(file.clone()));
        }
        if let (Some(name), Some(password)) = (&user.username, &user.password) {
            let pair = Zeroizing::new(format!("{name}:{password}"));
            return Ok(Self::Fixed(Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))));
        }
        if let Some(exec) = &user.exec {
            return Ok(Self::Exec(exec.clone()));
        }
        if user.auth_provider.is_some() {
            return Err(GateError::invalid(
                "the kubeconfig's user has an `auth-provider`, which Kubernetes took away in 1.26; its successor is `exec`",
            ));
        }
        Ok(Self::Nobody)
    }

    /// Returns whether a request says who asks. A client's certificate is not among these: without TLS it goes nowhere.
    pub(crate) fn is_somebody(&self) -> bool {
        !matches!(self, Self::Nobody)
    }

    /// Returns whether asking again may give something else.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self, Self::TokenFile(_) | Self::Exec(_))
    }

    /// Gets the credentials.
    pub(crate) async fn get(&self, reached: &Reached) -> Result<Held, GateError> {
        match self {
            Self::Nobody => Held::new(None, None, None),
            Self::Fixed(value) => Held::new(Some(value.clone()), None, None),
            Self::TokenFile(path) => {
                let text = Zeroizing::new(read(path, "the token")?);
                let text = String::from_utf8_lossy(&text);
                Held::new(Some(bearer(text.trim())), None, Some(Instant::now() + READ_AGAIN))
            }
            Self::Exec(exec) => Held::of(exec::run(exec, reached).await?),
        }
    }
}

impl Held {
    fn new(authorization: Option<Zeroizing<String>>, identity: Option<Identity>, until: Option<Instant>) -> Result<Self, GateError> {
        let secret = authorization.as_ref().and_then(|value| value.split_once(' ')).map(|(_, secret)| secret.to_owned());
        let masker = secret.map(|secret| Masker::new(&Secrets::new(BTreeMap::from([("credentials".to_owned(), secret)]))));
        Ok(Self { authorization, identity, masker: masker.transpose()?.map(Arc::new), until })
    }

    fn of(status: Status) -> Result<Self, GateError> {
        let left =
            status.expiration_timestamp.map(|end| Duration::try_from(end.duration_since(jiff::Timestamp::now())).unwrap_or_default());
        let identity = match (status.client_certificate_data, status.client_key_data) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: certificate.into_bytes(), key: Zeroizing::new(key.as_bytes().to_vec()) })
            }
            (Some(_), None) => {
                return Err(GateError::invalid("the program that gives the cluster's credentials gave a certificate without its key"));
            }
            _ => None,
        };
        let until = left.map(|left| Instant::now() + left.saturating_sub(EARLY));
        Self::new(status.token.map(|token| bearer(&token)), identity, until)
    }

    /// Returns whether it still holds.
    pub(crate) fn holds(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// Returns the certificate and the key of a user, where it has them.
pub(crate) fn identity(user: &UserEntry) -> Result<Option<Identity>, GateError> {
    let certificate = either(user.client_certificate_data.as_deref(), user.client_certificate.as_deref(), "the client's certificate")?;
    let key = either(user.client_key_data.as_deref(), user.client_key.as_deref(), "the client's key")?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Identity { certificate, key: Zeroizing::new(key) })),
        (None, None) => Ok(None),
        _ => Err(GateError::invalid("the kubeconfig's user has a certificate without a key, or a key without a certificate")),
    }
}

/// Returns what stands in the file itself, or else in the one that it names.
pub(crate) fn either(data: Option<&str>, path: Option<&Path>, what: &str) -> Result<Option<Vec<u8>>, GateError> {
    match (data.filter(|data| !data.is_empty()), path) {
        (Some(data), _) => {
            let bytes = STANDARD.decode(data.trim()).map_err(|_| GateError::invalid(format!("{what} in the kubeconfig is no base64")))?;
            Ok(Some(bytes))
        }
        (None, Some(path)) => read(path, what).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, GateError> {
    std::fs::read(path).map_err(|error| GateError::missing(format!("failed to read {what} in {}: {error}", path.display())))
}

fn bearer(token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("Bearer {token}"))
}
