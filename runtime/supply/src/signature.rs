//! Signatures of components and bundles, and which keys they are believed of.
//!
//! [`Scheme`] is the seam: minisign is the first, and another (a bundle of cosign's) joins by implementing it. Whatever cannot be read, whoever
//! is not known, and whatever time is not right is a refusal with its reason: nothing passes that was not shown to be right.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use minisign_verify::{PublicKey, Signature};
use relrun_ledger::Digest;
use serde::{Deserialize, Serialize};

/// No signature is longer, in bytes.
pub(crate) const LARGEST_SIGNATURE: u64 = 64 << 10;

/// A key that may sign, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    /// The key, as its scheme writes public keys.
    pub key: String,
    /// What was signed earlier is not believed.
    pub from: Option<Timestamp>,
    /// What was signed then or later is not believed.
    pub until: Option<Timestamp>,
}

/// Keys and components that are believed no longer, whoever else vouches for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Keys, by their ids.
    pub keys: BTreeSet<String>,
    /// Components, by their blake3.
    pub components: BTreeSet<Digest>,
}

/// What a signature that is right says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The id of the key.
    pub key: String,
    /// When it was signed, where it says so.
    pub at: Option<Timestamp>,
    /// What else the signer said, which the signature covers.
    pub comment: String,
}

/// Why bytes are not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// Nothing vouches for them.
    #[error("it is not signed")]
    Unsigned,
    /// The component itself was revoked.
    #[error("the component {0} was revoked")]
    RevokedComponent(Digest),
    /// None of the signatures is believed; one reason each.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
}

/// A form of signatures.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// Returns its name.
    fn name(&self) -> &'static str;

    /// Returns how the signature's file is named beside what it signs: `minisig` for `FILE.minisig`.
    fn extension(&self) -> &'static str;

    /// Returns the media type of a signature in a registry.
    fn media_type(&self) -> &'static str;

    /// Returns the id of a public key that is written in this form; none where it is not.
    fn id_of(&self, key: &str) -> Option<String>;

    /// Returns the id of the key that a signature names; none where it is no signature of this form.
    fn signer(&self, signature: &str) -> Option<String>;

    /// Checks a signature against one key.
    ///
    /// # Errors
    /// Where it is not right. The text is only why.
    fn check(&self, bytes: &[u8], signature: &str, key: &str) -> Result<Signed, String>;
}

/// Minisign's signatures: Ed25519 over `BLAKE2b` of the content, as `minisign -S` writes and `minisign -V` reads them.
#[derive(Clone, Copy, Debug)]
pub struct Minisign;

impl Scheme for Minisign {
    fn name(&self) -> &'static str {
        "minisign"
    }

    fn extension(&self) -> &'static str {
        "minisig"
    }

    fn media_type(&self) -> &'static str {
        "application/vnd.relrun.signature.minisign"
    }

    fn id_of(&self, key: &str) -> Option<String> {
        let bytes = STANDARD.decode(key).ok().filter(|bytes| bytes.len() == 42 && bytes.starts_with(b"Ed"))?;
        shown_id(bytes.get(2..10)?)
    }

    fn signer(&self, signature: &str) -> Option<String> {
        let line = signature.lines().nth(1)?;
        let bytes = STANDARD.decode(line.trim()).ok().filter(|bytes| bytes.len() == 74)?;
        shown_id(bytes.get(2..10)?)
    }

    fn check(&self, bytes: &[u8], signature: &str, key: &str) -> Result<Signed, String> {
        let id = self.id_of(key).ok_or("the key that policy names is no minisign key")?;
        let public = PublicKey::from_base64(key).map_err(|error| format!("the key {id} cannot be used: {error}"))?;
        let decoded = Signature::decode(signature).map_err(|error| format!("the signature cannot be read: {error}"))?;
        public.verify(bytes, &decoded, false).map_err(|_| format!("the signature of key {id} is not of this content"))?;
        let comment = decoded.trusted_comment().to_owned();
        Ok(Signed { key: id, at: time_of(&comment), comment })
    }
}

/// As minisign shows it: the eight bytes are a number with its smallest byte first.
fn shown_id(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(bytes)))
}

fn time_of(comment: &str) -> Option<Timestamp> {
    let seconds = comment.split(['\t', ' ']).find_map(|word| word.strip_prefix("timestamp:"))?;
    Timestamp::from_second(seconds.parse().ok()?).ok()
}

/// Returns the schemes that are known here.
pub fn schemes() -> &'static [&'static dyn Scheme] {
    &[&Minisign]
}

/// Returns the id of a public key; none where no scheme can read it.
pub fn key_id(key: &str) -> Option<String> {
    schemes().iter().find_map(|scheme| scheme.id_of(key))
}

/// Finds a signature by one of the trusted keys, at a time when it was trusted and not revoked since.
///
/// # Errors
/// Why nothing vouches for the bytes; of several signatures, why none of them does.
pub fn verify(bytes: &[u8], signatures: &[String], trusted: &[TrustedKey], revoked: &Revoked, now: Timestamp) -> Result<Signed, WhyNot> {
    let digest = Digest::of(bytes);
    if revoked.components.contains(&digest) {
        return Err(WhyNot::RevokedComponent(digest));
    }
    let mut reasons: Vec<String> = Vec::new();
    for signature in signatures {
        match verify_one(bytes, signature, trusted, revoked, now) {
            Ok(signed) => return Ok(signed),
            Err(reason) if !reasons.contains(&reason) => reasons.push(reason),
            Err(_) => {}
        }
    }
    Err(if reasons.is_empty() { WhyNot::Unsigned } else { WhyNot::Refused(reasons) })
}

fn verify_one(bytes: &[u8], signature: &str, trusted: &[TrustedKey], revoked: &Revoked, now: Timestamp) -> Result<Signed, String> {
    let read = schemes().iter().find_map(|scheme| Some((*scheme, scheme.signer(signature)?)));
    let (scheme, signer) = read.ok_or("one of its signatures cannot be read")?;
    if revoked.keys.contains(&signer) {
        return Err(format!("it is signed with the key {signer}, which was revoked"));
    }
    let mut why = format!("it is signed with the key {signer}, which nobody here trusts");
    for key in trusted.iter().filter(|key| scheme.id_of(&key.key).as_ref() == Some(&signer)) {
        match scheme.check(bytes, signature, &key.key) {
            Ok(signed) => match was_trusted(key, signed.at.unwrap_or(now), now) {
                Ok(()) => return Ok(signed),
                Err(when) => why = format!("it is signed with the key {signer}, {when}"),
            },
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// A signature from the future is one of a clock that is wrong, or of somebody who wants it to outlive its key.
fn was_trusted(key: &TrustedKey, at: Timestamp, now: Timestamp) -> Result<(), String> {
    const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
    if at > now.saturating_add(SKEW).unwrap_or(now) {
        return Err(format!("at {at}, which is yet to come"));
    }
    if key.from.is_some_and(|from| at < from) {
        return Err(format!("at {at}, before that key was trusted"));
    }
    if key.until.is_some_and(|until| at >= until) {
        return Err(format!("at {at}, when that key was trusted no longer"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyPair;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn trusted(key: &str, from: Option<&str>, until: Option<&str>) -> TrustedKey {
        TrustedKey { key: key.to_owned(), from: from.map(at), until: until.map(at) }
    }

    fn refusal(result: Result<Signed, WhyNot>) -> String {
        result.unwrap_err().to_string()
    }

    const NOW: &str = "2026-06-01T00:00:00Z";
    const THEN: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn only_a_trusted_key_at_its_time_is_believed() {
        let (one, other) = (KeyPair::new(None).unwrap(), KeyPair::new(None).unwrap());
        let signature = one.signing.sign(b"content", "a.wasm", at(NOW)).unwrap();
        let check =
            |bytes: &[u8], keys: &[TrustedKey], revoked: &Revoked| verify(bytes, std::slice::from_ref(&signature), keys, revoked, at(NOW));
        let none = Revoked::default();
        let id = key_id(&one.public).unwrap();
        let signed = check(b"content", &[trusted(&other.public, None, None), trusted(&one.public, None, None)], &none).unwrap();
        assert_eq!((signed.key.as_str(), signed.at), (id.as_str(), Some(at(NOW))));
        assert!(signed.comment.contains("a.wasm"), "{}", signed.comment);
        assert!(refusal(check(b"other", &[trusted(&one.public, None, None)], &none)).contains("is not of this content"));
        assert!(refusal(check(b"content", &[trusted(&other.public, None, None)], &none)).contains("which nobody here trusts"));
        assert!(refusal(check(b"content", &[], &none)).contains("which nobody here trusts"));
        assert!(
            refusal(check(b"content", &[trusted(&one.public, None, Some(THEN))], &none)).contains("when that key was trusted no longer")
        );
        assert!(refusal(check(b"content", &[trusted(&one.public, Some("2026-07-01T00:00:00Z"), None)], &none)).contains("before that key"));
        let revoked = Revoked { keys: [id].into(), ..Revoked::default() };
        assert!(refusal(check(b"content", &[trusted(&one.public, None, None)], &revoked)).contains("which was revoked"));
        let revoked = Revoked { components: [Digest::of(b"content")].into(), ..Revoked::default() };
        assert!(refusal(check(b"content", &[trusted(&one.public, None, None)], &revoked)).contains("was revoked"));
        assert_eq!(verify(b"content", &[], &[], &none, at(NOW)), Err(WhyNot::Unsigned));
    }

    #[test]
    fn a_key_that_follows_another_is_believed_beside_it() {
        let (old, new) = (KeyPair::new(None).unwrap(), KeyPair::new(None).unwrap());
        let keys = [trusted(&old.public, None, Some(THEN)), trusted(&new.public, Some(THEN), None)];
        let sign = |pair: &KeyPair, when: &str| pair.signing.sign(b"content", "x", at(when)).unwrap();
        let check = |signature: String| verify(b"content", &[signature], &keys, &Revoked::default(), at(NOW));
        check(sign(&old, "2025-12-01T00:00:00Z")).unwrap();
        check(sign(&new, "2026-02-01T00:00:00Z")).unwrap();
        assert!(refusal(check(sign(&old, "2026-02-01T00:00:00Z"))).contains("trusted no longer"));
        assert!(refusal(check(sign(&new, "2027-02-01T00:00:00Z"))).contains("yet to come"));
    }

    #[test]
    fn a_comment_that_was_changed_is_not_believed() {
        let pair = KeyPair::new(None).unwrap();
        let signature = pair.signing.sign(b"content", "a.wasm", at(NOW)).unwrap();
        let forged = signature.replace("timestamp:", "timestamp:1");
        assert_ne!(forged, signature);
        let result = verify(b"content", &[forged], &[trusted(&pair.public, None, None)], &Revoked::default(), at(NOW));
        assert!(refusal(result).contains("is not of this content"));
    }

    #[test]
    fn the_id_is_minisigns_own() {
        // Of minisign's own documentation.
        assert_eq!(key_id("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3").unwrap(), "E7620F1842B4E81F");
    }

    proptest! {
        #[test]
        fn any_text_is_no_signature(text in "\\PC{0,200}", lines in "(\\PC{0,30}\n){0,5}") {
            let trusted = [trusted("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", None, None)];
            for text in [text, lines] {
                prop_assert!(verify(b"x", std::slice::from_ref(&text), &trusted, &Revoked::default(), Timestamp::UNIX_EPOCH).is_err());
                let _ = key_id(&text);
            }
        }
    }
}
