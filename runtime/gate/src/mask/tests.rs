use super::*;
use proptest::prelude::*;
use std::sync::Arc;

fn masker(secrets: &[(&str, &str)]) -> Masker {
    let values = secrets.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Masker::new(&Secrets::new(values)).expect("these secrets can be masked")
}

fn streamed(masker: Masker, pieces: &[&[u8]]) -> String {
    let mut stream = StreamMasker::new(Arc::new(masker));
    let mut out: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.flush());
    String::from_utf8(out).expect("a masked text is text")
}

#[test]
fn every_form_is_masked() {
    let secret = "p@ss/wörd+\"q\"<1>";
    let masker = masker(&[("token", secret)]);
    let forms = [
        secret.to_owned(),
        "p%40ss%2Fw%C3%B6rd%2B%22q%22%3C1%3E".to_owned(),
        "p%40ss%2fw%c3%b6rd%2b%22q%22%3c1%3e".to_owned(),
        "p@ss/wörd+\\\"q\\\"<1>".to_owned(),
        "p@ss\\/wörd+\\\"q\\\"<1>".to_owned(),
        "p@ss/wörd+\\\"q\\\"\\u003c1\\u003e".to_owned(),
        "p@ss/w\\u00f6rd+\\\"q\\\"<1>".to_owned(),
        "p@ss/wörd+\\\\\\\"q\\\\\\\"<1>".to_owned(),
        "cEBzcy93w7ZyZCsicSI8MT4=".to_owned(),
        "cEBzcy93w7ZyZCsicSI8MT4".to_owned(),
        "70407373".to_owned() + "2f77c3b672642b2271223c313e",
    ];
    for form in forms {
        assert_eq!(masker.mask(&format!("a {form} b")), "a *** b", "{form}");
        assert_eq!(masker.contains_secret(&form), Some("token"), "{form}");
    }
    assert_eq!(masker.mask("nothing here"), "nothing here");
    assert_eq!(masker.contains_secret("nothing here"), None);
}

#[test]
fn base64_is_found_at_every_alignment() {
    use base64::Engine;
    let masker = masker(&[("token", "hunter2-hunter2")]);
    for user in ["", "u", "us", "use", "user"] {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:hunter2-hunter2:x"));
        assert!(masker.mask(&basic).contains(MASK), "{user}");
        assert_eq!(masker.contains_secret(&basic), Some("token"), "{user}");
    }
}

#[test]
fn base64_is_found_where_its_lines_are_wrapped() {
    use base64::Engine;
    let secret: String = (0..200u32).map(|n| char::from(b'!' + u8::try_from(n * 7 % 90).expect("below 90"))).collect();
    let masker = masker(&[("key", &secret)]);
    let text = base64::engine::general_purpose::STANDARD.encode(&secret);
    let wrapped: Vec<&str> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    assert_eq!(masker.mask(&wrapped.join("\n")), "***\n***\n***\n***");
}

#[test]
fn each_line_of_a_long_secret_is_masked_but_not_its_armour() {
    let masker = masker(&[("key", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEF\n-----END PRIVATE KEY-----\n")]);
    assert_eq!(masker.mask("read MIIEvQIBADANBgkqhkiG"), "read ***");
    assert_eq!(masker.mask("and 9w0BAQEF"), "and ***");
    assert_eq!(masker.mask("-----BEGIN PRIVATE KEY-----"), "-----BEGIN PRIVATE KEY-----");
    assert_eq!(masker.contains_secret("MIIEvQIBADANBgkqhkiG"), Some("key"));
    assert_eq!(masker.contains_secret("9w0BAQEF"), None);
}

#[test]
fn a_short_secret_is_masked_as_a_word_and_named() {
    let masker = masker(&[("pin", "42"), ("token", "long-enough"), ("empty", "")]);
    assert_eq!(masker.mask("42 is not 421, 142, or _42"), "*** is not 421, 142, or _42");
    assert_eq!(masker.contains_secret("42"), None);
    assert_eq!(masker.weak().collect::<Vec<_>>(), ["empty", "pin"]);
}

#[test]
fn secrets_that_overlap_or_touch_become_one_mask() {
    let masker = masker(&[("a", "abcdef"), ("b", "defghi")]);
    assert_eq!(masker.mask("-abcdefghi-"), "-***-");
    assert_eq!(masker.mask("-abcdefabcdef-"), "-***-");
}

#[test]
fn a_secret_split_over_writes_is_found() {
    assert_eq!(streamed(masker(&[("t", "hunter2-hunter2")]), &[b"a hun", b"ter2-", b"hunter2 b"]), "a *** b");
    assert_eq!(streamed(masker(&[("t", "hunter2-hunter2")]), &[b"a hun", b"ter"]), "a hunter");
    assert_eq!(streamed(masker(&[("t", "42")]), &[b"4", b"2", b"1 ", b"42"]), "421 ***");
}

#[test]
fn plain_text_is_not_held_back() {
    let mut stream = StreamMasker::new(Arc::new(masker(&[("t", "hunter2-hunter2")])));
    assert_eq!(stream.push(b"a line\n"), b"a line\n");
    assert_eq!(stream.push(b"a prompt> h"), b"a prompt> ");
}

fn secret() -> impl Strategy<Value = String> {
    // No `*`: a text that holds one beside a mask may look like such a secret without ever having held it.
    prop_oneof!["[ab]{4,9}", "[a-z/+= \"\\\\]{4,20}", "[^*\\pC]{4,12}", "[a-c]{8,12}\n[a-c]{8,12}"]
        .prop_filter("long enough when trimmed, and no armour", |text| {
            text.trim().chars().count() >= WORD_ONLY_BELOW && !text.contains("-----")
        })
}

/// A text made of pieces of the secrets' forms and of other letters.
fn text(secrets: &[String]) -> impl Strategy<Value = String> + use<> {
    let forms: Vec<String> =
        secrets.iter().flat_map(|secret| forms::of(secret)).map(|form| String::from_utf8(form).expect("forms are text")).collect();
    let piece = prop_oneof![
        3 => proptest::sample::select(forms.clone()),
        2 => (proptest::sample::select(forms), any::<proptest::sample::Index>()).prop_map(|(form, cut)| {
            let cut = cut.index(form.chars().count());
            form.chars().take(cut).collect()
        }),
        2 => "[abc \\n]{0,4}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn case() -> impl Strategy<Value = (Vec<String>, String, Vec<usize>)> {
    proptest::collection::vec(secret(), 1..3).prop_flat_map(|secrets| {
        let text = text(&secrets);
        (Just(secrets), text, proptest::collection::vec(1usize..9, 1..40))
    })
}

proptest! {
    #[test]
    fn no_form_survives_any_split((secrets, text, cuts) in case()) {
        let named: Vec<(String, &str)> = secrets.iter().enumerate().map(|(place, secret)| (format!("s{place}"), secret.as_str())).collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(name, secret)| (name.as_str(), *secret)).collect();
        let masker = masker(&named);
        let whole = masker.mask(&text).into_owned();
        for form in &masker.texts {
            prop_assert!(!whole.as_bytes().windows(form.len()).any(|window| window == form), "{whole:?} holds {:?}", String::from_utf8_lossy(form));
        }
        let mut pieces = Vec::new();
        let mut rest = text.as_bytes();
        for &cut in cuts.iter().cycle().take(text.len()) {
            let (piece, next) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = next;
        }
        pieces.push(rest);
        prop_assert_eq!(streamed(masker, &pieces), whole);
    }
}

#[test]
fn a_secret_is_found_wherever_it_stands_in_a_long_file() {
    let masker = masker(&[("token", "correct horse battery")]);
    for before in [0, 7, PIECE - 21, PIECE - 5, PIECE, PIECE + 3] {
        let bytes = [vec![b'.'; usize::try_from(before).expect("it fits")], b"correct horse battery, staple".to_vec()].concat();
        assert_eq!(masker.reads_secret(&bytes[..]).expect("memory can be read"), Some("token"), "{before}");
        assert_eq!(masker.reads_secret(&bytes[..bytes.len() - 9]).expect("memory can be read"), None, "{before}");
    }
}
