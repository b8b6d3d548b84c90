//! Keys that sign. What is secret is never in an error and never in `Debug`.

use std::fmt;
use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use minisign::{SecretKey, SecretKeyBox};
use zeroize::Zeroizing;

use crate::SupplyError;

/// A secret key as its file holds it, perhaps under a passphrase.
pub struct KeyFile(Zeroizing<String>);

/// A secret key that can sign.
pub struct SigningKey(SecretKey);

/// A key that was just made.
pub struct KeyPair {
    /// What signs.
    pub signing: SigningKey,
    /// The public key, as policies name it.
    pub public: String,
    /// The file of the secret key, under its passphrase where there is one.
    pub file: Zeroizing<String>,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyFile(…)")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKey(…)")
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

impl KeyFile {
    /// Takes the text of a key's file: a comment, and a line that is the key.
    ///
    /// # Errors
    /// Where it is no secret key of minisign's.
    pub fn read(text: Zeroizing<String>) -> Result<Self, SupplyError> {
        let key = text.lines().nth(1).and_then(|line| STANDARD.decode(line.trim()).ok()).map(Zeroizing::new);
        match key {
            Some(key) if key.len() == 158 && key.starts_with(b"Ed") => Ok(Self(text)),
            _ => Err(SupplyError::wrong(
                "this is no secret key of minisign's",
                "make one with `relrun plugin key new FILE`, or with `minisign -G`",
            )),
        }
    }

    /// Returns whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        let key = self.0.lines().nth(1).and_then(|line| STANDARD.decode(line.trim()).ok()).map(Zeroizing::new);
        key.is_none_or(|key| key.get(2..4) != Some(&[0, 0]))
    }

    /// Returns the key.
    ///
    /// # Errors
    /// Where the passphrase is missing or wrong.
    pub fn open(&self, passphrase: Option<&str>) -> Result<SigningKey, SupplyError> {
        let held = SecretKeyBox::from(self.0.to_string());
        let opened = match (self.is_encrypted(), passphrase) {
            (false, _) => SecretKey::from_unencrypted_box(held),
            (true, Some(passphrase)) => SecretKey::from_box(held, Some(passphrase.to_owned())),
            (true, None) => {
                return Err(SupplyError::wrong("the key is under a passphrase", "set RELRUN_KEY_PASSPHRASE, or run this in a terminal"));
            }
        };
        opened.map(SigningKey).map_err(|_| {
            SupplyError::wrong("the key cannot be opened: the passphrase is wrong, or the file is damaged", "check RELRUN_KEY_PASSPHRASE")
        })
    }
}

impl SigningKey {
    /// Signs content. `name` is what the signer calls it, which the signature covers, as it does the time.
    pub fn sign(&self, content: &[u8], name: &str, now: Timestamp) -> Result<String, SupplyError> {
        let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
        let comment = format!("timestamp:{}\tfile:{name}\thashed", now.as_second());
        let signed = minisign::sign(None, &self.0, Cursor::new(content), Some(&comment), Some("signature from relrun"));
        signed.map(minisign::SignatureBox::into_string).map_err(|error| refused(&error))
    }

    /// Returns the public key.
    pub fn public(&self) -> Result<String, SupplyError> {
        minisign::PublicKey::from_secret_key(&self.0).map(|key| key.to_base64()).map_err(|error| refused(&error))
    }
}

impl KeyPair {
    /// Makes a key, under a passphrase where one is given.
    pub fn new(passphrase: Option<&str>) -> Result<Self, SupplyError> {
        let comment = Some("secret key of relrun plugins");
        let made = match passphrase {
            Some(passphrase) => minisign::KeyPair::generate_encrypted_keypair(Some(passphrase.to_owned())),
            None => minisign::KeyPair::generate_unencrypted_keypair(),
        };
        let made = made.map_err(|error| refused(&error))?;
        let file = made.sk.to_box(comment).map_err(|error| refused(&error))?.into_string();
        let file = Zeroizing::new(file);
        let signing = KeyFile::read(file.clone())?.open(passphrase)?;
        Ok(Self { signing, public: made.pk.to_base64(), file })
    }
}

fn refused(error: &minisign::PError) -> SupplyError {
    SupplyError::wrong(format!("the key does not work: {error}"), "make another with `relrun plugin key new FILE`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Revoked, TrustedKey, verify};

    #[test]
    fn a_key_under_a_passphrase_opens_with_it_alone() {
        let pair = KeyPair::new(Some("correct horse")).unwrap();
        let file = KeyFile::read(pair.file.clone()).unwrap();
        assert!(file.is_encrypted());
        assert!(file.open(None).unwrap_err().to_string().contains("under a passphrase"));
        assert!(file.open(Some("wrong")).unwrap_err().to_string().contains("the passphrase is wrong"));
        let key = file.open(Some("correct horse")).unwrap();
        assert_eq!(key.public().unwrap(), pair.public);
        let now = Timestamp::UNIX_EPOCH;
        let signature = key.sign(b"x", "x", now).unwrap();
        let trusted = TrustedKey { key: pair.public.clone(), from: None, until: None };
        verify(b"x", &[signature], &[trusted], &Revoked::default(), now).unwrap();
    }

    #[test]
    fn what_is_no_key_is_refused_and_never_shown() {
        for text in ["", "one line", "a\nb", "comment\nAAAA\n"] {
            assert!(KeyFile::read(Zeroizing::new(text.to_owned())).is_err(), "{text}");
        }
        let pair = KeyPair::new(None).unwrap();
        let key = pair.file.lines().nth(1).unwrap().to_owned();
        let file = KeyFile::read(pair.file.clone()).unwrap();
        let shown = format!("{pair:?} {file:?} {:?}", pair.signing);
        assert!(!shown.contains(&key[20..60]), "{shown}");
    }
}
