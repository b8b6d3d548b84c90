//! SSH signatures made and checked: `ssh-key` knows the forms of keys and signatures, `ring` does the arithmetic.
//!
//! What neither does is refused with its name: keys in hardware cannot be checked here, and an RSA key signs with ssh-keygen alone.

use ring::rand::SystemRandom;
use ring::signature as ring_signature;
use ring_signature::{EcdsaKeyPair, Ed25519KeyPair, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use ssh_key::private::{EcdsaKeypair, KeypairData};
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, LineEnding, Mpint, PrivateKey, Signature, SshSig};

/// Says whether a signature is under this text.
pub(super) fn holds(signature: &SshSig, namespace: &str, text: &[u8]) -> Result<bool, String> {
    let signed = SshSig::signed_data(namespace, signature.hash_alg(), text).map_err(|error| error.to_string())?;
    let raw = signature.signature_bytes();
    let holds = match (signature.public_key(), signature.signature().algorithm()) {
        (KeyData::Ed25519(key), Algorithm::Ed25519) => check(&ring_signature::ED25519, &key.0, &signed, raw),
        (KeyData::Ecdsa(EcdsaPublicKey::NistP256(key)), Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }) => {
            check(&ring_signature::ECDSA_P256_SHA256_FIXED, key.as_bytes(), &signed, &fixed(raw, 32)?)
        }
        (KeyData::Ecdsa(EcdsaPublicKey::NistP384(key)), Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }) => {
            check(&ring_signature::ECDSA_P384_SHA384_FIXED, key.as_bytes(), &signed, &fixed(raw, 48)?)
        }
        (KeyData::Rsa(key), Algorithm::Rsa { hash: Some(hash) }) => {
            let (Some(n), Some(e)) = (key.n.as_positive_bytes(), key.e.as_positive_bytes()) else {
                return Err("its RSA key is none".to_owned());
            };
            let how = match hash {
                HashAlg::Sha256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
                _ => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
            };
            RsaPublicKeyComponents { n, e }.verify(how, &signed, raw).is_ok()
        }
        (key, algorithm) => {
            let key = key.algorithm();
            return Err(format!(
                "a signature of kind {algorithm} by a key of kind {key} is not taken: use ed25519, ECDSA on P-256 or P-384, or RSA"
            ));
        }
    };
    Ok(holds)
}

fn check(how: &'static dyn VerificationAlgorithm, key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(how, key).verify(text, signature).is_ok()
}

/// Returns `r` and `s` one behind the other; SSH writes them as two numbers.
fn fixed(signature: &[u8], width: usize) -> Result<Vec<u8>, String> {
    let broken = || "its two numbers cannot be read".to_owned();
    let mut reader = signature;
    let mut out = Vec::with_capacity(2 * width);
    for _ in 0..2 {
        let (length, rest) = reader.split_first_chunk::<4>().ok_or_else(broken)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| broken())?;
        let (number, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        reader = rest;
        let number = Mpint::from_bytes(number).map_err(|_| broken())?;
        let bytes = number.as_positive_bytes().filter(|bytes| bytes.len() <= width).ok_or_else(broken)?;
        out.resize(out.len() + width - bytes.len(), 0);
        out.extend_from_slice(bytes);
    }
    if reader.is_empty() { Ok(out) } else { Err(broken()) }
}

/// Says whether a plain signature, without SSH's own wrapping, is over these bytes: what other programs check with the public key alone.
pub(super) fn holds_bytes(key: &KeyData, bytes: &[u8], signature: &[u8]) -> bool {
    match key {
        KeyData::Ed25519(key) => check(&ring_signature::ED25519, &key.0, bytes, signature),
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(key)) => check(&ring_signature::ECDSA_P256_SHA256_ASN1, key.as_bytes(), bytes, signature),
        KeyData::Ecdsa(EcdsaPublicKey::NistP384(key)) => check(&ring_signature::ECDSA_P384_SHA384_ASN1, key.as_bytes(), bytes, signature),
        _ => false,
    }
}

/// Signs bytes plainly. Returns the key's fingerprint and the signature: of ECDSA in ASN.1.
pub(crate) fn sign_bytes(key: &str, bytes: &[u8]) -> Result<(String, Vec<u8>), String> {
    let key = private(key)?;
    let signature = match key.key_data() {
        KeypairData::Ed25519(pair) => {
            let pair = Ed25519KeyPair::from_seed_unchecked(pair.private.as_ref()).map_err(|error| error.to_string())?;
            pair.sign(bytes).as_ref().to_vec()
        }
        KeypairData::Ecdsa(EcdsaKeypair::NistP256 { public, private }) => {
            raw_ecdsa(&ring_signature::ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref(), public.as_bytes(), bytes)?
        }
        KeypairData::Ecdsa(EcdsaKeypair::NistP384 { public, private }) => {
            raw_ecdsa(&ring_signature::ECDSA_P384_SHA384_ASN1_SIGNING, private.as_ref(), public.as_bytes(), bytes)?
        }
        _ => return Err(format!("a key of kind {} does not sign here: use ed25519, or ECDSA on P-256 or P-384", key.algorithm())),
    };
    Ok((key.fingerprint(HashAlg::Sha256).to_string(), signature))
}

fn private(key: &str) -> Result<PrivateKey, String> {
    let key = PrivateKey::from_openssh(key).map_err(|error| format!("it is no private key in OpenSSH's form: {error}"))?;
    if key.is_encrypted() { Err("the key has a passphrase".to_owned()) } else { Ok(key) }
}

/// Signs a text with a private key in OpenSSH's form.
pub(crate) fn sign(key: &str, text: &str) -> Result<String, String> {
    let key = private(key)?;
    let failed = |error: ssh_key::Error| format!("the signature cannot be written: {error}");
    let signed = SshSig::signed_data(super::NAMESPACE, HashAlg::Sha512, text.as_bytes()).map_err(failed)?;
    let signature = match key.key_data() {
        KeypairData::Ed25519(pair) => {
            let pair = Ed25519KeyPair::from_seed_unchecked(pair.private.as_ref()).map_err(|error| error.to_string())?;
            Signature::new(Algorithm::Ed25519, pair.sign(&signed).as_ref())
        }
        KeypairData::Ecdsa(EcdsaKeypair::NistP256 { public, private }) => {
            let how = &ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            Signature::new(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }, ecdsa(how, private.as_ref(), public.as_bytes(), &signed)?)
        }
        KeypairData::Ecdsa(EcdsaKeypair::NistP384 { public, private }) => {
            let how = &ring_signature::ECDSA_P384_SHA384_FIXED_SIGNING;
            Signature::new(Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }, ecdsa(how, private.as_ref(), public.as_bytes(), &signed)?)
        }
        _ => return Err(format!("a key of kind {} signs with ssh-keygen", key.algorithm())),
    };
    let public = key.public_key().key_data().clone();
    let sealed = signature.and_then(|signature| SshSig::new(public, super::NAMESPACE, HashAlg::Sha512, signature));
    sealed.and_then(|sealed| sealed.to_pem(LineEnding::LF)).map_err(failed)
}

fn ecdsa(how: &'static ring_signature::EcdsaSigningAlgorithm, private: &[u8], public: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    let fixed = raw_ecdsa(how, private, public, text)?;
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let mut out = Vec::new();
    for number in [r, s] {
        let number = Mpint::from_positive_bytes(number).map_err(|error| format!("the signature cannot be written: {error}"))?;
        let length = u32::try_from(number.as_bytes().len()).unwrap_or_default();
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(number.as_bytes());
    }
    Ok(out)
}

fn raw_ecdsa(how: &'static ring_signature::EcdsaSigningAlgorithm, private: &[u8], public: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(how, private, public, &random).map_err(|error| error.to_string())?;
    pair.sign(&random, text).map(|signature| signature.as_ref().to_vec()).map_err(|error| error.to_string())
}
