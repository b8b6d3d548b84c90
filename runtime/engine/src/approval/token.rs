//! ID tokens under approvals: whether a token is its issuer's, for us, of now, and says what policy asks for.
//!
//! A token is believed after its signature alone, and by the keys of an issuer that policy names: nothing that it says of itself (its
//! algorithm, a key, an address of keys) decides how it is looked at. The token is never kept and never shown.

mod issuer;
mod jws;

use super::signers::matches;
use crate::Workspace;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use relrun_ledger::{Claims, Timestamp};
use relrun_manifest::{Approvers, ClaimRule, TokenRule};
use serde_json::{Map, Value};

pub(crate) use issuer::ask_for;

/// Longer than any issuer's.
const LONGEST: usize = 32 << 10;
/// How far two clocks may differ.
const LEEWAY: u64 = 30;
/// Claims that name the token, beside those that policy asks for.
const NAMES: [&str; 4] = ["iss", "sub", "jti", "iat"];

/// Looks at a token with the rules of a gate's approvers. Returns what it said.
pub(crate) async fn verify(workspace: &Workspace, approvers: &Approvers, token: &str) -> Result<Claims, String> {
    let token = token.trim();
    if token.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let header = jws::Header::read(token)?;
    let said = jws::unverified(token)?;
    let issuer = said.get("iss").and_then(Value::as_str).ok_or("it does not say who issued it")?;
    let mut refused = None;
    for rule in approvers.tokens.iter().filter(|rule| rule.issuer.value == issuer) {
        match by_rule(workspace, rule, &header, token).await {
            Ok(claims) => return Ok(claims),
            Err(why) => refused = Some(why),
        }
    }
    Err(refused.unwrap_or_else(|| format!("its issuer, {}, is none that policy names for this gate", shown(issuer))))
}

async fn by_rule(workspace: &Workspace, rule: &TokenRule, header: &jws::Header, token: &str) -> Result<Claims, String> {
    let keys = issuer::keys(workspace, rule).await?;
    let jwk = header.key(&keys)?;
    let claims = decode(token, header.algorithm, jwk, rule)?;
    let principal = claims.get(&rule.principal).and_then(Value::as_str).filter(|principal| !principal.is_empty());
    let principal = principal.ok_or_else(|| format!("it has no claim `{}`, which says who approves", rule.principal))?;
    rule.claims.iter().try_for_each(|wanted| holds(wanted, claims.get(&wanted.name.value)))?;
    let asked = rule.claims.iter().map(|claim| claim.name.value.as_str()).chain([rule.principal.as_str()]).chain(NAMES);
    Ok(Claims {
        principal: principal.to_owned(),
        issuer: rule.issuer.value.clone(),
        audience: rule.audience.clone(),
        key: header.key_id.clone().unwrap_or_default(),
        expires: claims.get("exp").and_then(seconds).ok_or("its `exp` is no time")?,
        claims: asked.filter_map(|name| Some((name.to_owned(), claims.get(name)?.clone()))).collect(),
    })
}

/// Checks the signature, and what every token must say: issuer, audience, times.
fn decode(token: &str, algorithm: Algorithm, jwk: &Jwk, rule: &TokenRule) -> Result<Map<String, Value>, String> {
    let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("the issuer's key cannot be read: {error}"))?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&rule.issuer.value]);
    validation.set_audience(&[&rule.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY;
    jws::install();
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation).map_err(|error| why(error.kind(), rule))?.claims;
    let is_later = |at: Timestamp| at.as_second() > Timestamp::now().as_second() + i64::try_from(LEEWAY).unwrap_or_default();
    match claims.get("iat").map(seconds) {
        Some(None) => Err("its `iat` is no time".to_owned()),
        Some(Some(at)) if is_later(at) => Err("it was issued in the future".to_owned()),
        _ => Ok(claims),
    }
}

fn why(kind: &ErrorKind, rule: &TokenRule) -> String {
    match kind {
        ErrorKind::ExpiredSignature => "it has expired".to_owned(),
        ErrorKind::ImmatureSignature => "it is not valid yet".to_owned(),
        ErrorKind::InvalidAudience => format!("it is for somebody else than \"{}\", the audience that policy names", rule.audience),
        ErrorKind::InvalidIssuer => format!("it was not issued by {}", rule.issuer.value),
        ErrorKind::InvalidSignature => format!("its signature is none of {}", rule.issuer.value),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no claim `{claim}`"),
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => "its algorithm is not that of the issuer's key".to_owned(),
        // What these hold may be the token's own text.
        ErrorKind::Json(_) | ErrorKind::Base64(_) | ErrorKind::Utf8(_) | ErrorKind::InvalidToken => "it is no ID token".to_owned(),
        other => format!("it cannot be used: {other:?}"),
    }
}

/// Says whether a claim is what policy asks for; of a list, one of its items.
fn holds(wanted: &ClaimRule, claim: Option<&Value>) -> Result<(), String> {
    let name = &wanted.name.value;
    let claim = claim.ok_or_else(|| format!("it has no claim `{name}`"))?;
    let fits = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return false,
        };
        wanted.values.iter().any(|pattern| matches(pattern.as_bytes(), text.as_bytes()))
    };
    let holds = match claim {
        Value::Array(items) => items.iter().any(fits),
        one => fits(one),
    };
    let due = wanted.values.join("\" or \"");
    if holds { Ok(()) } else { Err(format!("its claim `{name}` is {}, and policy asks for \"{due}\"", shown(&claim.to_string()))) }
}

/// Says whether claims on record are still what policy asks for, by one of its rules.
pub(super) fn still_holds(approvers: &Approvers, claims: &Claims) -> Result<(), String> {
    let mut refused = None;
    for rule in &approvers.tokens {
        if rule.issuer.value != claims.issuer || rule.audience != claims.audience {
            continue;
        }
        let principal = claims.claims.get(&rule.principal).and_then(Value::as_str);
        let same = if principal == Some(claims.principal.as_str()) { Ok(()) } else { Err(format!("it has no claim `{}`", rule.principal)) };
        match same.and_then(|()| rule.claims.iter().try_for_each(|wanted| holds(wanted, claims.claims.get(&wanted.name.value)))) {
            Ok(()) => return Ok(()),
            Err(why) => refused = Some(why),
        }
    }
    let unknown = || format!("its issuer, {}, or audience is none that policy names for this gate", shown(&claims.issuer));
    Err(format!("the ID token does not count any more: {}", refused.unwrap_or_else(unknown)))
}

fn seconds(value: &Value) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "a time with a fraction is cut to its second")]
    let at = value.as_i64().or_else(|| value.as_f64().map(|at| at as i64))?;
    Timestamp::from_second(at).ok()
}

/// Returns what somebody else wrote, so that it can be shown.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    format!("`{}`", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use relrun_manifest::Spanned;
    use serde_json::json;

    fn rule(values: &[&str]) -> ClaimRule {
        let name = Spanned::new("ref".to_owned(), relrun_manifest::Span::default());
        ClaimRule { name, values: values.iter().map(|&value| value.to_owned()).collect() }
    }

    #[test]
    fn a_claim_is_what_policy_asks_for() {
        for (values, claim, fits) in [
            (&["refs/heads/main"][..], json!("refs/heads/main"), true),
            (&["refs/heads/main"], json!("refs/heads/main2"), false),
            (&["refs/heads/main", "refs/tags/v*"], json!("refs/tags/v1"), true),
            (&["true"], json!(true), true),
            (&["7"], json!(7), true),
            (&["ops"], json!(["dev", "ops"]), true),
            (&["ops"], json!(["dev"]), false),
            (&["*"], json!({"a": 1}), false),
            (&["*"], json!(null), false),
            (&["*"], json!([["ops"]]), false),
        ] {
            assert_eq!(holds(&rule(values), Some(&claim)).is_ok(), fits, "{values:?} {claim}");
        }
        assert_eq!(holds(&rule(&["*"]), None).unwrap_err(), "it has no claim `ref`");
    }

    #[test]
    fn what_another_wrote_is_shown_without_what_a_terminal_acts_on() {
        assert_eq!(shown("a\u{1b}[2J"), "`a\\u{1b}[2J`");
        assert!(shown(&"x".repeat(1000)).len() < 130);
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds(&json!(1_700_000_000)).unwrap().as_second(), 1_700_000_000);
        assert_eq!(seconds(&json!(1_700_000_000.7)).unwrap().as_second(), 1_700_000_000);
        assert!(seconds(&json!("soon")).is_none() && seconds(&json!(u64::MAX)).is_none());
    }
}
