//! Gates that an ID token passes: an issuer on this machine with real keys, and everything that somebody may try with a token.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use relrun_tests::Sandbox;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MANIFEST: &str = r#"
package "acme/shop" version="1.0.@"
environment "live" {
    approval "managers" not-author=#true
    host "web1" "file:hosts/live"
}
step "site" plugin="build" {
    reads "index.html"
    writes "dist"
    grant { run "sh" "-c" "*" }
    config { command "sh" "-c" "mkdir dist && cp index.html dist" }
}
phase "files" environments="live" {
    deploy "web" plugin="symlink-swap" {
        grant { host "*" }
        config { source "${step.site.dist}"; root "/srv/shop" }
    }
}
"#;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Keys of an issuer, or of somebody who would like to be one.
struct Keys {
    rsa: RsaKeyPair,
    curve: EcdsaKeyPair,
    random: SystemRandom,
}

impl Keys {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rsa");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"]).arg(&file).status();
        assert!(made.expect("ssh-keygen is there: cargo xtask setup installs it").success());
        let pem = std::fs::read_to_string(&file).unwrap();
        let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap();
        let random = SystemRandom::new();
        let curve = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let curve = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, curve.as_ref(), &random).unwrap();
        Self { rsa: RsaKeyPair::from_der(&der).unwrap(), curve, random }
    }

    fn set(&self) -> Value {
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let (x, y) = self.curve.public_key().as_ref()[1..].split_at(32);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [
            { "kty": "RSA", "kid": "r1", "use": "sig", "alg": "RS256", "n": text(&public.n), "e": text(&public.e) },
            { "kty": "RSA", "kid": "r2", "use": "sig", "n": text(&public.n), "e": text(&public.e) },
            { "kty": "EC", "kid": "e1", "use": "sig", "crv": "P-256", "x": text(x), "y": text(y) },
            { "kty": "something new", "kid": "n1" },
        ]})
    }

    /// Signs as the header says: with nothing where it names an algorithm that is none of a key pair.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", part(header), part(claims));
        let signature = match header["alg"].as_str().unwrap() {
            "ES256" => self.curve.sign(&self.random, text.as_bytes()).unwrap().as_ref().to_vec(),
            "RS256" => self.rsa_sign(&RSA_PKCS1_SHA256, &text),
            "PS256" => self.rsa_sign(&RSA_PSS_SHA256, &text),
            _ => Vec::new(),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn rsa_sign(&self, how: &'static dyn ring::signature::RsaEncoding, text: &str) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa.sign(how, &self.random, text.as_bytes(), &mut signature).unwrap();
        signature
    }
}

/// What an issuer answers by path, and what it was asked.
#[derive(Default)]
struct Answers {
    by_path: Vec<(String, Value)>,
    asked: Vec<String>,
}

/// An issuer that listens on this machine.
struct Issuer {
    address: String,
    keys: Keys,
    answers: Arc<Mutex<Answers>>,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(Answers::default()));
        let served = Arc::clone(&answers);
        std::thread::spawn(move || {
            for stream in listener.incoming().take(500) {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let lines: Vec<String> =
                    BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)).map(str::to_owned) else { continue };
                let mut answers = served.lock().unwrap();
                answers.asked.push(lines.join("\n").to_lowercase());
                let plain = path.split('?').next().unwrap();
                let found = answers.by_path.iter().find(|(known, _)| known == plain).map(|(_, value)| value.to_string());
                let (status, body) = found.map_or((404, String::new()), |body| (200, body));
                let _ = write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            }
        });
        let issuer = Self { address, keys: Keys::make(), answers };
        issuer.answer(
            "/.well-known/openid-configuration",
            json!({ "issuer": issuer.address, "jwks_uri": format!("{}/keys", issuer.address) }),
        );
        issuer.answer("/keys", issuer.keys.set());
        issuer
    }

    fn answer(&self, path: &str, value: Value) {
        let mut answers = self.answers.lock().unwrap();
        answers.by_path.retain(|(known, _)| known != path);
        answers.by_path.push((path.to_owned(), value));
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.address, "aud": "relrun", "sub": "repo:acme/shop:environment:production", "actor": "ana", "repository": "acme/shop",
            "ref": "refs/heads/main", "jti": "t-1", "secret_detail": "not asked for", "iat": now(), "nbf": now(), "exp": now() + 300,
        })
    }

    fn token(&self) -> String {
        self.keys.sign(&json!({ "alg": "RS256", "kid": "r1", "typ": "JWT" }), &self.claims())
    }

    fn rule(&self, more: &str) -> String {
        format!(
            r#"policy {{ approvers "managers" {{ token "{}" audience="relrun" as="actor" {more} {{ claim "repository" "acme/*"; claim "ref" "refs/heads/main" "refs/tags/v*" }} }} }}"#,
            self.address
        )
    }
}

/// A project with a release that waits.
struct Office(Sandbox);

impl Office {
    fn open(policy: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("release.kdl", MANIFEST);
        sandbox.write("index.html", "hello");
        sandbox.write("relrun.kdl", policy);
        let office = Self(sandbox);
        office.says("apply -j 1", 3, "approve live/managers");
        office
    }

    fn says(&self, words: &str, code: i32, what: &str) -> String {
        let ran = self.0.relrun(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, code, "relrun {words}\n{}", ran.output);
        // What is long is broken into lines where it is shown.
        let one_line = ran.output.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        assert!(one_line.contains(what), "relrun {words} should say {what}:\n{}", ran.output);
        ran.output
    }

    fn refuses(&self, token: &str, why: &str) {
        self.0.write("token", token);
        let said = self.says("approve r1 managers --token file:token", 2, &format!("the ID token does not count: {why}"));
        let secret = token.rsplit('.').next().unwrap();
        assert!(secret.len() < 8 || !said.contains(secret), "{said}");
    }
}

#[test]
fn the_claims_of_a_token_pass_a_gate_and_stand_in_the_ledger() {
    let issuer = Issuer::start();
    let mut office = Office::open(&issuer.rule(""));
    office.says("approve r1 managers", 2, "live/managers is passed with an ID token alone");
    let token = issuer.token();
    office.0.set("RELRUN_ID_TOKEN", &token);
    office.says("approve r1 managers --comment checked", 0, "live/managers of r1 is approved");
    let shown = office.says("releases show r1", 0, &format!("as ana of {}", issuer.address));
    assert!(shown.contains("repository=acme/shop") && shown.contains("ref=refs/heads/main"), "{shown}");
    office.says("logs r1 --events", 0, &format!("approved live/managers, as ana of {}: checked", issuer.address));
    let json = office.says("--format json logs r1 --events", 0, r#""principal":"ana""#);
    assert!(json.contains(r#""jti":"t-1""#) && !json.contains("not asked for"), "{json}");
    // Neither the token nor its signature is anywhere in the project.
    for piece in token.split('.') {
        assert_eq!(office.0.relrun(&["--format", "json", "logs", "r1", "--events"]).output.matches(piece).count(), 0);
        for entry in walk(&office.0.root()) {
            let bytes = std::fs::read(&entry).unwrap();
            assert!(!bytes.windows(piece.len()).any(|found| found == piece.as_bytes()), "{} holds the token", entry.display());
        }
    }
    office.says("continue -j 1", 0, "done");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files.extend(walk(&entry.path())),
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

#[test]
fn a_token_that_is_not_what_it_should_be_passes_nothing() {
    let issuer = Issuer::start();
    let office = Office::open(&issuer.rule(""));
    let header = json!({ "alg": "RS256", "kid": "r1" });
    let with = |name: &str, value: Value| {
        let mut claims = issuer.claims();
        claims[name] = value;
        issuer.keys.sign(&header, &claims)
    };
    let without = |name: &str| {
        let mut claims = issuer.claims();
        claims.as_object_mut().unwrap().remove(name);
        issuer.keys.sign(&header, &claims)
    };
    office.refuses(&with("exp", json!(now() - 60)), "it has expired");
    office.refuses(&with("nbf", json!(now() + 600)), "it is not valid yet");
    office.refuses(&with("iat", json!(now() + 600)), "it was issued in the future");
    office.refuses(&with("aud", json!("somebody-else")), "it is for somebody else than \"relrun\"");
    office.refuses(&with("aud", json!(["a", "b"])), "it is for somebody else than \"relrun\"");
    office
        .refuses(&with("iss", json!("https://issuer.example.com")), "its issuer, `https://issuer.example.com`, is none that policy names");
    office.refuses(&with("repository", json!("evil/shop")), "its claim `repository` is");
    office.refuses(&with("ref", json!("refs/heads/main2")), "its claim `ref` is");
    office.refuses(&without("ref"), "it has no claim `ref`");
    for (name, why) in [("exp", "it has no claim `exp`"), ("aud", "it has no claim `aud`"), ("iss", "it does not say who issued it")] {
        office.refuses(&without(name), why);
    }
    office.refuses(&without("actor"), "it has no claim `actor`, which says who approves");

    // Somebody else's key, another's claims under a true signature, and a signature that was cut.
    let stranger = Keys::make();
    office.refuses(&stranger.sign(&header, &issuer.claims()), "its signature is none of");
    let (good, forged) = (issuer.token(), with("actor", json!("eve")));
    let (good, forged): (Vec<&str>, Vec<&str>) = (good.split('.').collect(), forged.split('.').collect());
    office.refuses(&format!("{}.{}.{}", good[0], forged[1], good[2]), "its signature is none of");
    office.refuses(&format!("{}.{}.{}", good[0], good[1], &good[2][..good[2].len() - 2]), "its signature is none of");
    office.refuses(&format!("{}.{}.", good[0], good[1]), "its signature is none of");

    // The public key as the secret of an HMAC, no algorithm at all, another algorithm of the same key, another key.
    let public = issuer.keys.rsa.public().as_ref().to_vec();
    let text = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": "r1" })), part(&issuer.claims()));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public), text.as_bytes());
    office.refuses(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref())), "its algorithm is `HS256`");
    office.refuses(&issuer.keys.sign(&json!({ "alg": "none" }), &issuer.claims()), "its algorithm is `none`");
    office.refuses(
        &issuer.keys.sign(&json!({ "alg": "PS256", "kid": "r1" }), &issuer.claims()),
        "the issuer has no key `r1` for its algorithm",
    );
    office.refuses(
        &issuer.keys.sign(&json!({ "alg": "ES256", "kid": "r1" }), &issuer.claims()),
        "the issuer has no key `r1` for its algorithm",
    );
    office.refuses(&issuer.keys.sign(&json!({ "alg": "RS256" }), &issuer.claims()), "it does not name its key");
    let bound = json!({ "alg": "RS256", "kid": "r1", "crit": ["exp"], "jku": "http://127.0.0.1:1/keys" });
    office.refuses(&issuer.keys.sign(&bound, &issuer.claims()), "its header asks for an extension");
    for text in ["", "nonsense", "a.b.c", "e30.e30.e30", &"x".repeat(100_000)] {
        office.refuses(text, "it");
    }
    // Nothing of all that opened the gate.
    office.says("continue", 3, "approve live/managers");

    // The other kinds of key are taken where the issuer has them; a key of its own that the header brings along counts for nothing.
    let embedded = json!({ "alg": "ES256", "kid": "e1", "jwk": stranger.set()["keys"][2] });
    office.refuses(&stranger.sign(&embedded, &issuer.claims()), "its signature is none of");
    office.0.write("token", &issuer.keys.sign(&json!({ "alg": "PS256", "kid": "r2" }), &issuer.claims()));
    office.says("approve r1 managers --token file:token", 0, "is approved");
}

#[test]
fn whoever_made_the_release_does_not_pass_its_gate_with_a_token_either() {
    let issuer = Issuer::start();
    let office = Office::open(&issuer.rule(""));
    let mut claims = issuer.claims();
    let json = office.says("--format json logs r1 --events", 0, "release-started");
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    claims["actor"] = first["actor"]["user"].clone();
    office.0.write("token", &issuer.keys.sign(&json!({ "alg": "ES256", "kid": "e1" }), &claims));
    office.says("approve r1 managers --token file:token", 2, "this gate is for somebody else");
    // A subject names a job, and no job made the release as itself.
    let by_subject = Office::open(&issuer.rule("").replace(" as=\"actor\"", ""));
    by_subject.0.write("token", &issuer.keys.sign(&json!({ "alg": "ES256", "kid": "e1" }), &issuer.claims()));
    by_subject.says("approve r1 managers --token file:token", 2, "the token's `sub` names a job");
}

#[test]
fn policy_as_it_is_now_decides_whether_a_token_still_counts() {
    let issuer = Issuer::start();
    let office = Office::open(&issuer.rule(""));
    office.0.write("token", &issuer.keys.sign(&json!({ "alg": "ES256", "kid": "e1" }), &issuer.claims()));
    office.says("approve r1 managers --token file:token", 0, "is approved");
    office.0.write("relrun.kdl", &issuer.rule("").replace("acme/*", "acme/other"));
    office.says("continue", 3, "the ID token does not count any more");
    office.0.write("relrun.kdl", &issuer.rule(""));
    office.says("continue -j 1", 0, "done");
}

#[test]
fn keys_come_from_a_file_where_policy_names_one_and_else_from_an_issuer_that_is_who_it_should_be() {
    let issuer = Issuer::start();
    let office = Office::open(&issuer.rule(r#"keys="ops/keys.json""#));
    office.refuses(&issuer.token(), "ops/keys.json cannot be read");
    office.0.write("ops/keys.json", "{}");
    office.refuses(&issuer.token(), "the keys of");
    office.0.write("ops/keys.json", &Keys::make().set().to_string());
    office.refuses(&issuer.token(), "its signature is none of");
    office.0.write("ops/keys.json", &issuer.keys.set().to_string());
    office.0.write("token", &issuer.token());
    assert!(issuer.answers.lock().unwrap().asked.is_empty(), "with a file nobody is asked");
    office.says("approve r1 managers --token file:token", 0, "is approved");

    let office = Office::open(&issuer.rule(""));
    let configuration = "/.well-known/openid-configuration";
    issuer.answer(configuration, json!({ "issuer": "https://evil.example.com", "jwks_uri": format!("{}/keys", issuer.address) }));
    office.refuses(&issuer.token(), "http://127.0.0.1");
    issuer.answer(configuration, json!({ "issuer": issuer.address, "jwks_uri": "http://169.254.169.254/keys" }));
    office.refuses(&issuer.token(), "the issuer's keys are not at an `https` address");
    issuer.answer(configuration, json!({ "issuer": issuer.address, "jwks_uri": "https://127.0.0.2/keys" }));
    office.refuses(&issuer.token(), "https://127.0.0.2/keys cannot be asked");
    issuer.answer(configuration, json!({ "issuer": issuer.address, "jwks_uri": format!("{}/nowhere", issuer.address) }));
    office.refuses(&issuer.token(), &format!("{}/nowhere answered 404", issuer.address));
    issuer.answer(configuration, json!("nonsense"));
    office.refuses(&issuer.token(), "http://127.0.0.1");
}

#[test]
fn github_is_asked_for_a_token_of_the_audience_that_policy_names() {
    let issuer = Issuer::start();
    let mut office = Office::open(&issuer.rule(""));
    office.says("approve r1 managers --token github", 2, "this job may not have ID tokens");
    office.says("approve r1 managers --token env:NO_SUCH", 2, "the variable is not set");
    office.says("approve r1 managers --token magic", 2, "a token does not come from there");
    issuer.answer("/token", json!({ "value": issuer.token() }));
    office.0.set("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?api-version=2", issuer.address));
    office.0.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-job-itself");
    office.says("approve r1 managers", 0, "is approved");
    let asked = issuer.answers.lock().unwrap().asked.clone();
    assert!(
        asked[0].starts_with("get /token?api-version=2&audience=relrun ") && asked[0].contains("authorization: bearer the-job-itself"),
        "{asked:?}"
    );
    assert!(asked[1..].iter().all(|asked| !asked.contains("the-job-itself")), "{asked:?}");
}

#[test]
fn a_token_is_no_use_where_policy_takes_none() {
    let issuer = Issuer::start();
    let mut office = Office::open(r#"policy { approvers "managers" signers="ops/allowed_signers" }"#);
    office.0.write("token", &issuer.token());
    office.says("approve r1 managers --token file:token", 2, "policy takes no ID token for live/managers");
    office.0.set("RELRUN_ID_TOKEN", &issuer.token());
    office.says("approve r1 managers", 2, "live/managers is passed with a signature alone");
    office.0.write("relrun.kdl", "");
    office.says("approve r1 managers --token file:token", 2, "policy names no approvers");
}
