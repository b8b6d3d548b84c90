//! The forms in which a secret may turn up in text.
//!
//! What is not here is not masked: compressed, encrypted or reversed, cut in pieces by the plugin, base64 of base64.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What RFC 3986 calls reserved is escaped, what it calls unreserved is not.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// HTML forms: `*` stays, `~` does not, a space is `+`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
/// JavaScript's `encodeURIComponent`.
const COMPONENT: &AsciiSet = &URL.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
/// JavaScript's `encodeURI`.
const WHOLE: &AsciiSet = &COMPONENT.remove(b';').remove(b',').remove(b'/').remove(b'?').remove(b':').remove(b'@');
/// As `WHOLE`, but for what may also stand in a query.
const QUERY: &AsciiSet = &WHOLE.remove(b'&').remove(b'=').remove(b'+').remove(b'$').remove(b'#');

/// A base64 text inside another is looked for only where it is at least so long: shorter ones stand everywhere.
const EMBEDDED_MIN: usize = 8;
/// How many bytes a line of base64 holds: `base64` and MIME wrap at 76 characters, PEM at 64.
const WRAPS: [usize; 2] = [57, 48];

/// Returns every form of a text, the text itself among them.
pub(super) fn of(text: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::from([text.as_bytes().to_vec()]);
    escaped(text, &mut forms);
    url_encoded(text, &mut forms);
    base64_encoded(text.as_bytes(), &mut forms);
    let lower = text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    forms.insert(lower.to_ascii_uppercase().into_bytes());
    forms.insert(lower.into_bytes());
    forms
}

/// JSON, as most write it, with `/` escaped, as Go writes it for HTML, and in ASCII alone; each of them inside another JSON text too.
fn escaped(text: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let once = json(text);
    let variants = [once.clone(), once.replace('/', "\\/"), html_safe(&once), ascii(&once), ascii(&once.replace('/', "\\/"))];
    for variant in variants {
        forms.insert(json(&variant).into_bytes());
        forms.insert(variant.into_bytes());
    }
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn html_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn url_encoded(text: &str, forms: &mut BTreeSet<Vec<u8>>) {
    for set in [URL, FORM, COMPONENT, WHOLE, QUERY] {
        let upper = percent_encode(text.as_bytes(), set).to_string();
        let lower = lower_hex(&upper);
        for form in [upper, lower] {
            forms.insert(form.replace("%20", "+").into_bytes());
            forms.insert(form.into_bytes());
        }
    }
}

/// Turns `%2F` into `%2f`.
fn lower_hex(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut digits = 0;
    for character in encoded.chars() {
        if character == '%' {
            digits = 2;
            out.push('%');
        } else if digits > 0 {
            digits -= 1;
            out.push(character.to_ascii_lowercase());
        } else {
            out.push(character);
        }
    }
    out
}

fn base64_encoded(bytes: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(alphabet, NO_PAD);
        forms.extend(padded(engine.encode(bytes)));
        for before in 0..3 {
            forms.extend(embedded(&engine, bytes, before));
        }
        for wrap in WRAPS.into_iter().filter(|&wrap| bytes.len() > wrap) {
            forms.extend(bytes.chunks(wrap).flat_map(|line| padded(engine.encode(line))).filter(|line| line.len() >= EMBEDDED_MIN));
        }
    }
}

/// Returns a base64 text without and with its padding.
fn padded(text: String) -> [Vec<u8>; 2] {
    let mut whole = text.clone();
    while !whole.len().is_multiple_of(4) {
        whole.push('=');
    }
    [text.into_bytes(), whole.into_bytes()]
}

/// Returns the characters that depend on the secret alone when `before` bytes (modulo 3) stand in front of it.
fn embedded(engine: &GeneralPurpose, bytes: &[u8], before: usize) -> Option<Vec<u8>> {
    let mut text = vec![0; before];
    text.extend_from_slice(bytes);
    let encoded = engine.encode(&text);
    let first = (before * 8).div_ceil(6);
    let end = text.len() * 8 / 6;
    let core = encoded.as_bytes().get(first..end)?;
    (core.len() >= EMBEDDED_MIN).then(|| core.to_vec())
}
