//! A statement in an envelope that somebody signed: DSSE, as in-toto and SLSA have it.
//!
//! Who may sign and with which keys is not decided here: what is to be signed is handed out, and what was signed is handed back.

use crate::PackageError;
use crate::attached::{attached, part};
use crate::pack::attach;
use crate::record::{Attached, PackageRecord};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use relrun_registry::{Artifact, Manifest, Repository, canonical_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of what is in the envelope.
const PAYLOAD: &str = "application/vnd.in-toto+json";

/// A signed statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload_type: String,
    payload: String,
    /// The signatures.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// The key's fingerprint: a hint, of which nothing is believed.
    #[serde(default)]
    pub keyid: String,
    /// The signature, in base64.
    pub sig: String,
}

/// Returns the bytes that are signed of a statement: its type and itself, each with its length before it.
pub fn signed_bytes(statement: &[u8]) -> Vec<u8> {
    authenticated(PAYLOAD, statement)
}

fn authenticated(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Puts a statement into an envelope, with a signature over [`signed_bytes`].
    pub fn new(statement: &[u8], keyid: String, signature: &[u8]) -> Self {
        let signature = EnvelopeSignature { keyid, sig: STANDARD.encode(signature) };
        Self { payload_type: PAYLOAD.to_owned(), payload: STANDARD.encode(statement), signatures: vec![signature] }
    }

    /// Returns the statement and the bytes that were signed.
    pub fn open(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        if self.payload_type != PAYLOAD {
            return Err(format!("it holds `{}`, and no statement", self.payload_type.escape_debug()));
        }
        let statement = STANDARD.decode(&self.payload).map_err(|_| "its payload cannot be read")?;
        let signed = authenticated(&self.payload_type, &statement);
        Ok((statement, signed))
    }
}

impl EnvelopeSignature {
    /// Returns the signature's bytes.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        STANDARD.decode(&self.sig).map_err(|_| "its signature cannot be read".to_owned())
    }
}

/// Makes the artifact of an envelope about a package.
pub fn attach_envelope(package: &Artifact, envelope: &Envelope) -> Result<Artifact, PackageError> {
    attach(Attached::Envelope, package, canonical_json(envelope)?)
}

/// Returns the envelopes that are attached to a package. One that cannot be read is passed over, and counts for nothing.
pub async fn envelopes(from: &dyn Repository, package: &Manifest) -> Result<Vec<Envelope>, PackageError> {
    let kind = Attached::Envelope;
    let mut found = Vec::new();
    for manifest in attached(from, package, &[kind]).await? {
        for layer in manifest.blobs().iter().filter(|layer| layer.media_type().as_ref() == kind.media_type()) {
            let bytes = part(from, layer).await?;
            found.extend(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
        }
    }
    Ok(found)
}

/// Says whether a statement is SLSA's provenance of this very package.
pub fn is_provenance_of(statement: &[u8], record: &PackageRecord, package: &Manifest) -> Result<(), String> {
    let statement: Value = serde_json::from_slice(statement).map_err(|_| "it holds no statement")?;
    if statement["_type"] != "https://in-toto.io/Statement/v1" || statement["predicateType"] != crate::provenance::PREDICATE {
        return Err("it holds another statement than a provenance".to_owned());
    }
    let name = format!("{}@{}", record.package, record.version);
    let is_it = |subject: &Value| subject["name"] == name.as_str() && subject["digest"]["sha256"] == package.digest().digest();
    match statement["subject"].as_array() {
        Some(subjects) if subjects.iter().any(is_it) => Ok(()),
        _ => Err(format!("it is about something else than {name} with this digest")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_what_dsse_says() {
        // The example of the protocol's own page.
        assert_eq!(
            authenticated("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn an_envelope_gives_back_what_was_put_in() {
        let envelope = Envelope::new(b"{}", "SHA256:k".to_owned(), b"signature");
        let text = serde_json::to_string(&envelope).unwrap();
        assert!(text.contains(r#""payloadType":"application/vnd.in-toto+json""#), "{text}");
        let read: Envelope = serde_json::from_str(&text).unwrap();
        assert_eq!(read.open().unwrap(), (b"{}".to_vec(), signed_bytes(b"{}")));
        assert_eq!(read.signatures[0].bytes().unwrap(), b"signature");
        let other = Envelope { payload_type: "text/plain".to_owned(), ..envelope };
        assert!(other.open().unwrap_err().contains("no statement"));
    }
}
