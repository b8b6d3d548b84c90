//! The signature of a token: `jsonwebtoken` knows the form, `ring` does the arithmetic.
//!
//! Only public-key algorithms are known here: a token that is signed with a shared secret, or not at all, has no way in.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature as ring_signature;
use ring_signature::{RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Map, Value};

/// What a token's header says, as far as it is asked.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

impl Header {
    /// Reads the header, and refuses what is not taken.
    pub(super) fn read(token: &str) -> Result<Self, String> {
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err("it is no ID token: it has not three parts".to_owned());
        };
        let header = object(header)?;
        // RFC 7515, section 4.1.11: what is critical and not understood is refused. Nothing critical is understood here.
        if header.contains_key("crit") {
            return Err("its header asks for an extension that is not known".to_owned());
        }
        let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = known(name).ok_or_else(|| {
            format!(
                "its algorithm is {}, and only RS, PS and ES with 256 or 384 bits, RS512, PS512 and EdDSA are taken",
                super::shown(name)
            )
        })?;
        Ok(Self { algorithm, key_id: header.get("kid").and_then(Value::as_str).map(str::to_owned) })
    }

    /// Chooses the issuer's key: by its name, or where the token names none, the only one that fits.
    pub(super) fn key<'a>(&self, keys: &'a [Jwk]) -> Result<&'a Jwk, String> {
        let fitting: Vec<&Jwk> = keys.iter().filter(|jwk| fits(jwk, self.algorithm)).collect();
        match &self.key_id {
            Some(id) => {
                let named = |jwk: &&&Jwk| jwk.common.key_id.as_ref() == Some(id);
                let found = fitting.iter().find(named).copied();
                found.ok_or_else(|| format!("the issuer has no key {} for its algorithm", super::shown(id)))
            }
            None => match fitting.as_slice() {
                [only] => Ok(only),
                [] => Err("the issuer has no key for its algorithm".to_owned()),
                _ => Err("it does not name its key, and the issuer has several".to_owned()),
            },
        }
    }
}

fn known(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// Whether a key is for signatures, and by its own kind for this algorithm.
fn fits(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let common = &jwk.common;
    if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return false;
    }
    if common.key_algorithm.as_ref().is_some_and(|only| only.to_string() != format!("{algorithm:?}")) {
        return false;
    }
    match (&jwk.algorithm, algorithm) {
        (
            AlgorithmParameters::RSA(_),
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512,
        ) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES384) => key.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    }
}

/// Returns what a token says of which nothing is believed yet.
pub(super) fn unverified(token: &str) -> Result<Map<String, Value>, String> {
    object(token.split('.').nth(1).unwrap_or_default())
}

fn object(part: &str) -> Result<Map<String, Value>, String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).map_err(|_| "it is no ID token")?;
    serde_json::from_slice(&bytes).map_err(|_| "it is no ID token".to_owned())
}

/// Makes `ring` the arithmetic of this process's tokens; a second time changes nothing.
pub(super) fn install() {
    static RING: CryptoProvider = CryptoProvider {
        signer_factory: |_, _| Err(unsupported()),
        verifier_factory: |algorithm, key| verifier(*algorithm, key),
        key_utils: KeyUtils::new_unimplemented(),
    };
    // Nothing else in this program has one: it can only be this one already.
    let _ = RING.install_default();
}

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier { algorithm, how: how(algorithm).ok_or_else(unsupported)?, key: key.kind().clone() }))
}

enum How {
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

fn how(algorithm: Algorithm) -> Option<How> {
    Some(match algorithm {
        Algorithm::RS256 => How::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => How::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => How::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => How::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => How::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => How::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => How::Other(&ring_signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => How::Other(&ring_signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => How::Other(&ring_signature::ED25519),
        _ => return None,
    })
}

struct RingVerifier {
    algorithm: Algorithm,
    how: How,
    key: DecodingKeyKind,
}

impl signature::Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let holds = match (&self.how, &self.key) {
            (How::Rsa(how), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok()
            }
            (How::Other(how), DecodingKeyKind::SecretOrDer(key)) => UnparsedPublicKey::new(*how, key).verify(message, signature).is_ok(),
            _ => false,
        };
        if holds { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    fn token(header: &str) -> String {
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part("{}"), part("signature"))
    }

    fn jwk(text: &str) -> Jwk {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn no_algorithm_that_needs_no_secret_of_the_issuer_is_taken() {
        for algorithm in ["none", "None", "HS256", "HS512", "ES256K", ""] {
            let said = Header::read(&token(&format!(r#"{{"alg":"{algorithm}"}}"#))).unwrap_err();
            assert!(said.starts_with("its algorithm is"), "{algorithm}: {said}");
        }
        assert!(Header::read(&token(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#)).unwrap_err().contains("extension"));
        for text in ["", "a.b", "a.b.c", "a.b.c.d", "....", "{}"] {
            assert!(Header::read(text).unwrap_err().starts_with("it is no ID token"), "{text}");
        }
    }

    #[test]
    fn a_key_is_chosen_by_its_name_and_its_kind() {
        let rsa = jwk(r#"{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}"#);
        let named = jwk(r#"{"kty":"RSA","kid":"512","alg":"RS512","n":"AQAB","e":"AQAB"}"#);
        let sealing = jwk(r#"{"kty":"RSA","kid":"s","use":"enc","n":"AQAB","e":"AQAB"}"#);
        let curve = jwk(r#"{"kty":"EC","kid":"e","crv":"P-256","x":"AQAB","y":"AQAB"}"#);
        let shared = jwk(r#"{"kty":"oct","kid":"o","k":"AQAB"}"#);
        let keys = [rsa, named, sealing, curve, shared];
        let choose = |algorithm, id: Option<&str>| {
            Header { algorithm, key_id: id.map(str::to_owned) }.key(&keys).map(|jwk| jwk.common.key_id.clone().unwrap())
        };
        assert_eq!(choose(Algorithm::RS256, Some("r")).as_deref(), Ok("r"));
        assert_eq!(choose(Algorithm::RS256, None).as_deref(), Ok("r"));
        assert_eq!(choose(Algorithm::ES256, None).as_deref(), Ok("e"));
        assert!(choose(Algorithm::RS512, None).unwrap_err().contains("several"));
        for (algorithm, id) in
            [(Algorithm::RS256, "512"), (Algorithm::RS256, "s"), (Algorithm::ES384, "e"), (Algorithm::ES256, "r"), (Algorithm::RS256, "o")]
        {
            assert!(choose(algorithm, Some(id)).is_err(), "{algorithm:?} {id}");
        }
    }
}
