//! An issuer's keys: from the file that policy names, or asked for, as the discovery of `OpenID` Connect has it. And a token of the CI system that runs this.
//!
//! Everything is asked through the gate, bounded in time and size. What an issuer answers is believed for its TLS alone; it must call itself
//! what policy calls it.

use crate::Workspace;
use crate::command::TokenFrom;
use jsonwebtoken::jwk::Jwk;
use relrun_gate::{Access, Gate, GateOptions, Masker, Mode, Request, Secrets};
use relrun_manifest::{Approvers, Capability, HttpGrant, HttpTls, Origin, TokenRule};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long one question may take.
const ONE: Duration = Duration::from_secs(10);
/// More than any issuer's documents have.
const LARGEST: u64 = 1 << 20;

/// Returns the keys that an issuer signs with. What is no key that is known here is passed over.
pub(super) async fn keys(workspace: &Workspace, rule: &TokenRule) -> Result<Vec<Jwk>, String> {
    let set = match &rule.keys {
        Some(file) => {
            let text = std::fs::read(workspace.root.join(file)).map_err(|error| format!("{file} cannot be read: {error}"))?;
            serde_json::from_slice(&text).map_err(|error| format!("{file} holds no keys: {error}"))?
        }
        None => discover(workspace, rule).await?,
    };
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(|| format!("the keys of {} have not the form of a key set", rule.issuer.value))?;
    Ok(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
}

async fn discover(workspace: &Workspace, rule: &TokenRule) -> Result<Value, String> {
    let issuer = &rule.issuer.value;
    let ca: Vec<PathBuf> = rule.ca.iter().map(|file| workspace.root.join(file)).collect();
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let about = get(&ca, &parse(&address)?, true, None).await?;
    let calls_itself = about.get("issuer").and_then(Value::as_str).unwrap_or_default();
    if calls_itself != issuer {
        return Err(format!("{address} calls itself {}", super::shown(calls_itself)));
    }
    let place = about.get("jwks_uri").and_then(Value::as_str).ok_or_else(|| format!("{address} does not say where the keys are"))?;
    let (place, issuer) = (parse(place)?, parse(issuer)?);
    let is_of_issuer = place.host_str() == issuer.host_str();
    if place.scheme() != "https" && !(is_of_issuer && issuer.scheme() == "http") {
        return Err(format!("the issuer's keys are not at an `https` address: {}", super::shown(place.as_str())));
    }
    get(&ca, &place, is_of_issuer, None).await
}

/// Returns the token that is shown, or asks the CI system for one that is for the audience which policy names.
pub(crate) async fn ask_for(approvers: &Approvers, from: &TokenFrom) -> Result<String, String> {
    let (url, bearer) = match from {
        TokenFrom::Given(token) => return Ok(token.clone()),
        TokenFrom::Actions { url, bearer } => (url, bearer),
    };
    let audiences: BTreeSet<&str> = approvers.tokens.iter().map(|rule| rule.audience.as_str()).collect();
    let mut address = parse(url)?;
    let audience = audiences.first().copied().unwrap_or_default();
    if audiences.len() > 1 {
        return Err("policy names more than one audience for this gate: ask for the token yourself, and say `--token env:NAME`".to_owned());
    }
    address.query_pairs_mut().append_pair("audience", audience);
    let answer = get(&[], &address, true, Some(bearer)).await?;
    answer.get("value").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| "the CI system gave no token".to_owned())
}

fn parse(address: &str) -> Result<Url, String> {
    Url::parse(address).map_err(|error| format!("{} is no address: {error}", super::shown(address)))
}

/// Gets a document. Whoever is asked may lie on a private network where policy or the CI system names it (`private`).
async fn get(ca_files: &[PathBuf], url: &Url, private: bool, bearer: Option<&str>) -> Result<Value, String> {
    let origin = Origin::parse(&url.origin().ascii_serialization())?;
    let shown = format!("{origin}{}", url.path());
    let failed = |error: relrun_gate::GateError| format!("{shown} cannot be asked: {error}");
    let grant = Capability::Http(HttpGrant { origin, methods: BTreeSet::from(["GET".to_owned()]), private, tls: HttpTls::default() });
    let (secrets, grants) = (Secrets::default(), [grant]);
    let masker = Masker::new(&secrets).map_err(failed)?;
    let options =
        GateOptions { ca_files: ca_files.to_vec(), connect_timeout: ONE, total_timeout: ONE, max_body: LARGEST, ..GateOptions::default() };
    let gate = Gate::new(options).map_err(failed)?;
    let access = Access {
        capabilities: &grants,
        secrets: &secrets,
        masker: &masker,
        mode: Mode::ReadOnly,
        root: Path::new(""),
        pool: &Arc::default(),
        total: None,
    };
    let mut request = Request::new("GET", url.as_str());
    request.headers = vec![("accept".into(), "application/json".into()), ("user-agent".into(), "relrun".into())];
    request.headers.extend(bearer.map(|bearer| ("authorization".to_owned(), format!("Bearer {bearer}"))));
    let mut response = gate.send(request, &access).await.map_err(failed)?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("{shown} answered {}", status.as_u16()));
    }
    let mut body = Vec::new();
    loop {
        // The gate ends what is too long, or takes too long.
        let piece = response.read(64 << 10).await.map_err(failed)?;
        if piece.is_empty() {
            break;
        }
        body.extend_from_slice(&piece);
    }
    serde_json::from_slice(&body).map_err(|_| format!("{shown} answered something that is no JSON"))
}
