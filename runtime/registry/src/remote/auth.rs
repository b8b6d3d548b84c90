//! Who asks: credentials from docker's config and its helpers, and the tokens that a registry's token server gives for them.
//!
//! A credential goes to the registry that it is for, and to the token server that this registry names, over TLS wherever the registry is
//! spoken to over TLS.

use std::collections::HashMap;
use std::io::{Cursor, ErrorKind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::options::{ClientOptions, Credential};
use crate::RegistryError;

/// How long a token lasts that does not say so, as the specification has it.
const TOKEN_LASTS: u64 = 60;

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scopes: Vec<String> },
}

impl Challenge {
    /// Returns what the headers of a 401 ask for, a token before a password.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let mut found: Vec<Self> =
            texts.filter_map(|text| http_auth::parse_challenges(text).ok()).flatten().filter_map(|one| of(&one)).collect();
        let token = found.iter().position(|challenge| matches!(challenge, Self::Bearer { .. }));
        if found.is_empty() { None } else { Some(found.swap_remove(token.unwrap_or(0))) }
    }
}

fn of(challenge: &http_auth::ChallengeRef<'_>) -> Option<Challenge> {
    if challenge.scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !challenge.scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let param = |name: &str| {
        let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped())
    };
    let scopes = param("scope").iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
    Some(Challenge::Bearer { realm: param("realm")?, service: param("service"), scopes })
}

/// What a token server answers.
#[derive(serde::Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// A token, and until when it is used.
struct Token {
    header: HeaderValue,
    until: Instant,
}

/// What has been learned of how one registry wants to be asked.
#[derive(Default)]
pub(super) struct Pass {
    basic: Mutex<Option<HeaderValue>>,
    tokens: Mutex<HashMap<String, Token>>,
}

impl Pass {
    /// Returns the header for a scope, if one is at hand.
    pub(super) fn at_hand(&self, scopes: &[String]) -> Option<HeaderValue> {
        if let Some(basic) = lock(&self.basic).clone() {
            return Some(basic);
        }
        let tokens = lock(&self.tokens);
        let token = tokens.get(&scopes.join(" "))?;
        (token.until > Instant::now()).then(|| token.header.clone())
    }

    /// Keeps a password for every later request to this registry.
    pub(super) fn keep_basic(&self, credential: &Credential) -> Option<HeaderValue> {
        let header = basic(credential)?;
        *lock(&self.basic) = Some(header.clone());
        Some(header)
    }

    /// Reads a token server's answer, and keeps the token for `scopes`.
    pub(super) fn keep_token(&self, scopes: &[String], body: &[u8]) -> Result<HeaderValue, &'static str> {
        let answer: TokenAnswer = serde_json::from_slice(body).map_err(|_| "the token server's answer is not its JSON")?;
        let token = answer.token.or(answer.access_token).map(Zeroizing::new).ok_or("the token server's answer holds no token")?;
        let header = bearer(&token).ok_or("the token server's token cannot stand in a header")?;
        // A little before its end, for the request takes time too.
        let lasts = Duration::from_secs(answer.expires_in.unwrap_or(TOKEN_LASTS).clamp(TOKEN_LASTS, 24 * 3600) - 10);
        lock(&self.tokens).insert(scopes.join(" "), Token { header: header.clone(), until: Instant::now() + lasts });
        Ok(header)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Returns the header that carries a name and a password.
pub(super) fn basic(credential: &Credential) -> Option<HeaderValue> {
    let Credential::Password { user, password } = credential else { return None };
    let text = Zeroizing::new(format!("{user}:{}", password.as_str()));
    secret_header(&format!("Basic {}", STANDARD.encode(text.as_bytes())))
}

fn bearer(token: &str) -> Option<HeaderValue> {
    secret_header(&format!("Bearer {token}"))
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Returns `text` without the secret, in case the registry sent it back.
pub(super) fn masked(text: &str, credential: Option<&Credential>) -> String {
    let Some(credential) = credential.filter(|credential| !credential.secret().is_empty()) else { return text.to_owned() };
    let text = text.replace(credential.secret(), "***");
    let header = basic(credential);
    let encoded = header.as_ref().and_then(|header| header.to_str().ok()).and_then(|text| text.strip_prefix("Basic "));
    encoded.map_or_else(|| text.clone(), |encoded| text.replace(encoded, "***"))
}

/// Finds the credentials for a registry; none where nobody is logged in there.
pub(super) async fn credential(options: &ClientOptions, registry: &str) -> Result<Option<Credential>, RegistryError> {
    if let Some(given) = options.credentials.get(registry) {
        return Ok(Some(given.clone()));
    }
    let Some(path) = &options.docker_config else { return Ok(None) };
    let config = match std::fs::read(path) {
        Ok(config) => Zeroizing::new(config),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RegistryError::io("read", path)(error)),
    };
    // What docker itself writes for its own registry.
    let server = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry }.to_owned();
    let wait = options.timeouts.helper;
    let late = |_| unhelped(registry, path, "the credential helper did not answer in time");
    let found = tokio::time::timeout(wait, ask(config, server)?).await.map_err(late)?;
    let found = found.map_err(|_| unhelped(registry, path, "it could not be read to its end"))?;
    match found {
        Ok(DockerCredential::UsernamePassword(user, password)) if user == "<token>" => {
            Ok(Some(Credential::IdentityToken(Zeroizing::new(password))))
        }
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Credential::password(user, password))),
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::IdentityToken(Zeroizing::new(token)))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => Ok(None),
        Err(error) => Err(unhelped(registry, path, said(&error))),
    }
}

type Found = Result<DockerCredential, CredentialRetrievalError>;

/// Asks docker's config, and the helper that it names, on a thread that nobody waits for: a helper is a program, and one that asks a person may
/// never end, which must not keep this process from ending.
fn ask(config: Zeroizing<Vec<u8>>, server: String) -> Result<oneshot::Receiver<Found>, RegistryError> {
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        // Where nobody waits any more, the answer is of no use.
        let _ = sender.send(docker_credential::get_credential_from_reader(Cursor::new(config.as_slice()), &server));
    };
    let started = std::thread::Builder::new().name("credentials".to_owned()).spawn(work);
    started.map(|_| receiver).map_err(|source| RegistryError::Io { doing: "start a thread".to_owned(), source })
}

/// Says what went wrong in our own words: the crate's own hold what a helper wrote, which may be the secret.
fn said(error: &CredentialRetrievalError) -> &'static str {
    match error {
        CredentialRetrievalError::HelperCommunicationError => "the credential helper that it names could not be run, or did not listen",
        CredentialRetrievalError::MalformedHelperResponse => "the credential helper's answer makes no sense",
        CredentialRetrievalError::HelperFailure { .. } => "the credential helper failed",
        CredentialRetrievalError::ConfigReadError => "it is not docker's config",
        _ => "its entry for this registry cannot be decoded",
    }
}

fn unhelped(registry: &str, config: &Path, reason: &str) -> RegistryError {
    RegistryError::Credentials {
        registry: registry.to_owned(),
        reason: format!("{}: {reason}", config.display()),
        help: format!("type `docker login {registry}` anew, or mend `credHelpers` and `credsStore` in that file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, text.parse().unwrap());
        }
        Challenge::read(&headers)
    }

    #[test]
    fn a_token_is_asked_for_before_a_password() {
        let bearer = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push repository:c:pull""#;
        let Some(Challenge::Bearer { realm, service, scopes }) = read(&["Basic realm=\"r\"", bearer]) else {
            panic!("a token is asked for")
        };
        assert_eq!((realm.as_str(), service.as_deref()), ("https://auth.example/token", Some("r.example")));
        assert_eq!(scopes, ["repository:a/b:pull,push", "repository:c:pull"]);
        assert_eq!(read(&["Basic realm=\"r\""]), Some(Challenge::Basic));
        assert_eq!(read(&["Negotiate"]), None);
        assert_eq!(read(&["Bearer service=\"no realm\""]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let credential = Credential::password("dev", "hunter2");
        let sent_back = format!("no such user dev:hunter2, {}", STANDARD.encode("dev:hunter2"));
        assert_eq!(masked(&sent_back, Some(&credential)), "no such user dev:***, ***");
        assert_eq!(format!("{credential:?}"), "Credential(`dev`)");
        assert!(!format!("{:?}", basic(&credential)).contains("aHVudGVyMg"), "the header says of itself that it is secret");
    }

    async fn found(config: &str, registry: &str) -> Result<Option<Credential>, RegistryError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, config).unwrap();
        credential(&ClientOptions { docker_config: Some(path), ..ClientOptions::default() }, registry).await
    }

    #[tokio::test]
    async fn dockers_config_is_read_as_docker_reads_it() {
        let config = r#"{"auths":{"r.example:5000":{"auth":"ZGV2Omh1bnRlcjI="},"https://index.docker.io/v1/":{"auth":"aHViOmh1Yg=="},"t.example":{"identitytoken":"idt"}}}"#;
        let shown = async |registry: &str| format!("{:?}", found(config, registry).await.unwrap());
        assert_eq!(shown("r.example:5000").await, "Some(Credential(`dev`))");
        assert_eq!(shown("docker.io").await, "Some(Credential(`hub`))");
        assert_eq!(shown("t.example").await, "Some(Credential(the holder of this identity token))");
        assert_eq!(shown("other.example").await, "None");
        let gone = ClientOptions { docker_config: Some("/nowhere/config.json".into()), ..ClientOptions::default() };
        assert!(credential(&gone, "r.example").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_config_or_helper_that_is_no_use_is_an_error() {
        let error = found("{", "r.example").await.unwrap_err().to_string();
        assert!(error.ends_with("it is not docker's config"), "{error}");
        let error = found(r#"{"credHelpers":{"r.example":"relrun-has-no-such"}}"#, "r.example").await.unwrap_err().to_string();
        assert!(error.contains("credential helper"), "{error}");
        let error = found(r#"{"auths":{"r.example":{"auth":"!"}}}"#, "r.example").await.unwrap_err().to_string();
        assert!(error.ends_with("cannot be decoded"), "{error}");
    }
}
