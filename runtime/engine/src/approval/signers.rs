//! A file of allowed signers, as git and ssh-keygen read it: `PRINCIPALS [OPTIONS] KEY`.
//!
//! A line that is not understood is an error, never passed over: it may be the one that takes a right away. Certificate authorities are such lines.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use ssh_key::public::KeyData;

/// The lines of the file.
pub(super) struct Signers(Vec<Signer>);

struct Signer {
    principals: Vec<String>,
    namespaces: Option<Vec<String>>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    key: KeyData,
}

impl Signers {
    /// Reads the file; what is wrong is said with its line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut signers = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                signers.push(Signer::read(line).map_err(|why| format!("{number}: {why}"))?);
            }
        }
        Ok(Self(signers))
    }

    /// Returns every key that the file names.
    pub(super) fn keys(&self) -> impl Iterator<Item = &KeyData> {
        self.0.iter().map(|signer| &signer.key)
    }

    /// Returns whose key it is, for this namespace and at this time: the first of `wanted` that its line names, or where nobody is wanted in
    /// particular the line's first principal.
    pub(super) fn principal(&self, key: &KeyData, namespace: &str, now: Timestamp, wanted: &[String]) -> Result<String, String> {
        let mut why = "does not name the key {key}".to_owned();
        for signer in self.0.iter().filter(|signer| signer.key == *key) {
            if signer.namespaces.as_ref().is_some_and(|allowed| !matches_list(allowed, namespace)) {
                why = format!("allows the key {{key}} other namespaces than `{namespace}`");
            } else if signer.after.is_some_and(|after| now < after) {
                "allows the key {key} only later".clone_into(&mut why);
            } else if signer.before.is_some_and(|before| now >= before) {
                "no longer allows the key {key}".clone_into(&mut why);
            } else if wanted.is_empty()
                && let Some(first) = signer.principals.iter().find(|principal| !principal.starts_with('!'))
            {
                return Ok(first.clone());
            } else if let Some(found) = wanted.iter().find(|wanted| matches_list(&signer.principals, wanted)) {
                return Ok(found.clone());
            } else {
                why = format!("names {} for the key {{key}}, and policy none of them", signer.principals.join(","));
            }
        }
        Err(why)
    }
}

impl Signer {
    fn read(line: &str) -> Result<Self, String> {
        let (principals, rest) = word(line);
        let (options, key) = match word(rest) {
            (first, _) if is_key_type(&first) => (String::new(), rest),
            (options, key) => (options, key),
        };
        let key = ssh_key::PublicKey::from_openssh(key.trim()).map_err(|error| format!("there is no key that can be read: {error}"))?;
        let mut signer = Self {
            principals: list(principals.trim_matches('"')),
            namespaces: None,
            after: None,
            before: None,
            key: key.key_data().clone(),
        };
        for option in split_options(&options) {
            signer.take(&option)?;
        }
        Ok(signer)
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => self.namespaces = Some(list(value)),
            "valid-after" => self.after = Some(moment(value)?),
            "valid-before" => self.before = Some(moment(value)?),
            "cert-authority" => return Err("certificate authorities are not taken: name the keys themselves".to_owned()),
            _ => return Err(format!("there is no option `{name}`")),
        }
        Ok(())
    }
}

fn is_key_type(word: &str) -> bool {
    word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-")
}

/// Returns the first word of a line, blanks in quotes being a part of it, and what follows.
fn word(line: &str) -> (String, &str) {
    let line = line.trim_start();
    let mut quoted = false;
    let end = line.find(|c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    });
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    (word.to_owned(), rest)
}

fn split_options(options: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = options.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// Reads `YYYYMMDD[HHMM[SS]]Z`. Without the `Z` it would be the time of whatever machine reads it.
fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no time: write `YYYYMMDDHHMMSSZ`, in UTC with its `Z`");
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(wrong)?;
    let padded = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(wrong()),
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", padded).map_err(|_| wrong())?;
    TimeZone::UTC.to_ambiguous_timestamp(at).compatible().map_err(|_| wrong())
}

/// Whether a list of patterns holds a name, as OpenSSH has it: `*` and `?`, and a `!` before one that takes away.
fn matches_list(patterns: &[String], name: &str) -> bool {
    let denied =
        patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
    !denied && patterns.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
}

pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[from] => (at, from) = (at + 1, from + 1),
            _ => {
                // What the last `*` took was too little.
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, from) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB4lZ+ILRl1PBTc+S4GyqFLvFJjS3cm2F/YW1Ci3lM0q";

    fn principal(line: &str, namespace: &str, now: &str, wanted: &[&str]) -> Result<String, String> {
        let key = ssh_key::PublicKey::from_openssh(ANA).unwrap();
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        Signers::read(&line.replace("KEY", ANA))
            .and_then(|signers| signers.principal(key.key_data(), namespace, now.parse().unwrap(), &wanted))
    }

    fn now(line: &str, wanted: &[&str]) -> Result<String, String> {
        principal(line, "relrun-approval", "2026-11-21T12:00:00Z", wanted)
    }

    #[test]
    fn a_key_stands_for_its_first_principal_or_for_the_one_that_is_wanted() {
        assert_eq!(now("# who\n\nana@example.com,ben KEY Ana's", &[]).unwrap(), "ana@example.com");
        assert_eq!(now("\"*@example.com, !eve@example.com\" KEY", &["zoe", "ana@example.com"]).unwrap(), "ana@example.com");
        assert_eq!(
            now("*@example.com,!eve@example.com KEY", &["eve@example.com"]).unwrap_err(),
            "names *@example.com,!eve@example.com for the key {key}, and policy none of them"
        );
    }

    #[test]
    fn a_key_counts_for_its_namespaces_and_its_time() {
        assert!(now("ana namespaces=\"git,relrun-*\" KEY", &[]).is_ok());
        assert!(now("ana namespaces=\"git\" KEY", &[]).unwrap_err().contains("other namespaces"));
        assert!(now("ana valid-after=\"20261121Z\",valid-before=\"202611211201Z\" KEY", &[]).is_ok());
        assert!(now("ana valid-after=\"20261122Z\" KEY", &[]).unwrap_err().contains("only later"));
        assert!(now("ana valid-before=\"20261121115959Z\" KEY", &[]).unwrap_err().contains("no longer"));
        assert!(now("", &[]).unwrap_err().contains("does not name"));
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error() {
        for (line, why) in [
            ("ana cert-authority KEY", "1: certificate authorities"),
            ("ana never=\"x\" KEY", "1: there is no option `never`"),
            ("\nana valid-after=\"20261121\" KEY", "2: `20261121` is no time"),
            ("ana ssh-ed25519 AAAA", "1: there is no key"),
            ("ana", "1: there is no key"),
        ] {
            let said = now(line, &[]).unwrap_err();
            assert!(said.starts_with(why), "{line}: {said}");
        }
    }

    #[test]
    fn a_pattern_takes_what_it_says() {
        for (pattern, name, fits) in
            [("*", "", true), ("a*c", "abbc", true), ("a?c", "abbc", false), ("*ab", "aab", true), ("a", "ab", false), ("", "", true)]
        {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }
}
