//! A proxy between the client and the registry that breaks connections, asks to wait, and talks nonsense: the client gets through, or says
//! clearly why not, in bounded time.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relrun_registry::{ClientOptions, Name, PushAs, Pushed, RegistryError, Transfer};
use support::proxy::{Fate, Proxy, answer};
use support::{artifact, blob, logged_in, noise, open, plain, tag};
use url::Url;

/// Nothing here may take longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Returns the address of no server, for a proxy that answers everything itself.
fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

fn is(line: &str, method: &str, path: &str) -> bool {
    line.starts_with(method) && line.contains(path)
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_an_upload_is_taken_up_again() {
    let server = plain();
    // Of five chunks, each of the first three uploads breaks in another way.
    let proxy = Proxy::before(server.address(), |line, before| match (line.split(' ').next(), before) {
        (Some("PATCH"), 1) => Fate::CutUpload(10_000),
        (Some("PATCH"), 3) => Fate::CutUpload(0),
        (Some("PATCH"), 6) => Fate::LoseAnswer,
        _ => Fate::Pass,
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    let bytes = noise(300_000, 1);
    let large = blob(bytes.clone());
    let pushed = tokio::time::timeout(LONGEST, repository.push_blob(&large, None)).await.unwrap().unwrap();
    assert_eq!(pushed, Pushed::Sent);
    assert_eq!(repository.pull_bytes(large.descriptor(), 300_000).await.unwrap(), bytes);
    assert!(proxy.requests("PATCH").len() > 5);
}

#[tokio::test]
async fn a_registry_that_knows_where_it_was_is_sent_only_the_rest() {
    // Nothing reaches the registry of the chunk that is cut, so its session goes on where it was.
    let server = plain();
    let proxy = Proxy::before(server.address(), |line, before| match (line.split(' ').next(), before) {
        (Some("PATCH"), 2) => answer("503 Busy", "", ""),
        _ => Fate::Pass,
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    repository.push_blob(&blob(noise(300_000, 1)), None).await.unwrap();
    assert_eq!((proxy.requests("PATCH").len(), proxy.requests("GET /v2/acme/shop/blobs/uploads/").len()), (6, 1));
    assert_eq!(proxy.requests("POST").len(), 1);
}

#[tokio::test]
async fn what_a_registry_kept_of_a_broken_chunk_is_not_sent_again() {
    // Stands for a registry that keeps what it got of a chunk; the real one of these tests forgets the upload then.
    let at = |headers: &str| format!("location: /u?state={}\r\n{headers}", headers.len());
    let (begun, kept, whole) = (at(""), at("range: 0-29999\r\n"), at("range: 0-95535\r\n"));
    let proxy = Proxy::before(nowhere(), move |line, before| match (line.split(' ').next().unwrap(), before) {
        ("HEAD", _) => answer("404 Not Found", "", ""),
        ("POST", _) | ("PATCH", 2) => answer("202 Accepted", &begun, ""),
        ("PATCH", 0) => Fate::Answer(String::new()),
        ("PATCH", 1) => answer("202 Accepted", &whole, ""),
        ("GET", _) => answer("204 No Content", &kept, ""),
        _ => answer("201 Created", "", ""),
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    assert_eq!(repository.push_blob(&blob(noise(100_000, 1)), None).await.unwrap(), Pushed::Sent);
    let ranges: Vec<String> = proxy
        .requests("PATCH")
        .iter()
        .filter_map(|head| head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-range: ").map(str::to_owned)))
        .collect();
    assert_eq!(ranges, ["0-65535", "30000-95535", "95536-99999"]);
}

#[tokio::test]
async fn an_upload_that_gets_nowhere_ends() {
    let location = "location: /u\r\n";
    for (patch, text) in [
        (answer("202 Accepted", &format!("{location}range: 0-0\r\n"), ""), "it kept nothing of what was sent (tried 4 times)"),
        (answer("202 Accepted", &format!("{location}range: 0-999999\r\n"), ""), "it says that it has 1000000 bytes"),
        (answer("202 Accepted", "location: http://[\r\n", ""), "at what is no URL"),
        (answer("202 Accepted", "", ""), "does not say where the upload goes on"),
        (
            answer("404 Not Found", "", r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#),
            "the registry has forgotten the upload (tried 4 times)",
        ),
        (answer("413 Too Large", "", ""), "HTTP 413"),
    ] {
        let forgets = text.contains("forgotten");
        let proxy = Proxy::before(nowhere(), move |line, _| match line.split(' ').next().unwrap() {
            "HEAD" => answer("404 Not Found", "", ""),
            "POST" => answer("202 Accepted", location, ""),
            "PATCH" => patch.clone(),
            _ if forgets => answer("404 Not Found", "", ""),
            _ => answer("204 No Content", &format!("{location}range: 0-0\r\n"), ""),
        })
        .await;
        let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
        let error = tokio::time::timeout(LONGEST, repository.push_blob(&blob(noise(100_000, 1)), None)).await.unwrap().unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(proxy.requests("PATCH").len() <= 16);
    }
}

#[tokio::test]
async fn a_registry_does_not_decide_how_much_is_in_memory() {
    let proxy = Proxy::before(nowhere(), |line, _| match line.split(' ').next().unwrap() {
        "HEAD" => answer("404 Not Found", "", ""),
        "POST" => answer("202 Accepted", "location: /u\r\noci-chunk-min-length: 99999999999\r\n", ""),
        _ => answer("201 Created", "", ""),
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    let error = repository.push_blob(&blob(noise(100_000, 1)), None).await.unwrap_err();
    assert!(error.to_string().contains("it takes chunks of 99999999999 bytes and more"), "{error}");
    assert_eq!(repository.push_blob(&blob(noise(10_000, 1)), None).await.unwrap(), Pushed::Sent, "what is small goes at once anyway");
}

#[tokio::test]
async fn a_registry_out_there_does_not_lead_to_this_machine() {
    // What stands for a registry out there is reached through a proxy, which answers in its place.
    let here = Proxy::before(nowhere(), |_, _| answer("200 OK", "", "a service of this machine")).await;
    let (away, token) = (format!("location: http://{}/u\r\n", here.host()), format!("realm=\"http://{}/token\"", here.host()));
    let proxy = Proxy::before(nowhere(), move |line, _| match line.split(' ').next().unwrap() {
        "HEAD" => answer("404 Not Found", "", ""),
        "POST" => answer("202 Accepted", &away, ""),
        _ if line.contains("tags") => answer("401 Unauthorized", &format!("www-authenticate: Bearer {token}\r\n"), ""),
        _ => answer("307 Moved", &away, ""),
    })
    .await;
    let url: Url = format!("http://{}", proxy.host()).parse().unwrap();
    let through = Arc::new(move |_: &Url| Ok(Some(url.clone())));
    let mut options = ClientOptions { proxy: Some(through), ..logged_in("registry.invalid") };
    options.plain_http = vec!["registry.invalid".to_owned()];
    let repository = open(options, "registry.invalid", "acme/shop").await;
    let error = repository.push_blob(&blob("content"), None).await.unwrap_err();
    assert!(error.to_string().contains("goes on at an address of this machine"), "{error}");
    let error = repository.pull_bytes(blob("content").descriptor(), 100).await.unwrap_err();
    assert!(error.to_string().contains("redirects to an address of this machine"), "{error}");
    let error = repository.list_tags().await.unwrap_err();
    assert!(error.to_string().contains("a token server that is not safe to ask"), "{error}");
    assert!(["GET", "PATCH", "PUT", "POST"].iter().all(|method| here.requests(method).is_empty()));
}

#[tokio::test]
async fn an_answer_that_is_lost_is_not_a_blob_that_is_lost() {
    let server = plain();
    let proxy = Proxy::before(server.address(), |line, before| match (line.split(' ').next(), before) {
        (Some("PUT"), 0) => Fate::LoseAnswer,
        _ => Fate::Pass,
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    assert_eq!(repository.push_blob(&blob(noise(1000, 1)), None).await.unwrap(), Pushed::Sent);
    assert_eq!(proxy.requests("PUT").len(), 1, "it was looked for, and found");
}

#[tokio::test]
async fn a_registry_that_is_busy_is_given_the_time_it_asks_for() {
    let server = plain();
    let proxy = Proxy::before(server.address(), |line, before| match (line.split(' ').next(), before) {
        (Some("PUT"), 0) => {
            answer("429 Too Many Requests", "retry-after: 1\r\n", r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#)
        }
        (Some("HEAD" | "POST" | "GET"), 0) => answer("500 Oops", "", "<html>"),
        (Some("PUT"), 2) => answer("502 Bad Gateway", "", ""),
        _ => Fate::Pass,
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    let started = Instant::now();
    let made = artifact(vec![blob(noise(1000, 1))]);
    let transfer = Transfer { parallel: 1, ..Transfer::new(".") };
    let delivery = transfer.push(&*repository, &made, &PushAs::Immutable(tag("1"))).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(repository.find(&Name::Tag(tag("1"))).await.unwrap(), Some(delivery.digest));
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";

fn drip(at_once: &str, slowly: &str) -> Fate {
    Fate::Drip(at_once.to_owned(), slowly.to_owned(), Duration::from_millis(400))
}

#[tokio::test]
async fn what_stays_broken_is_an_error_after_a_few_tries() {
    let busy = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
    let asks_too_much = answer("429 Too Many Requests", "retry-after: 86400\r\n", busy);
    let cases = [
        (Fate::CutAnswer(0), "tried 4 times", 4),
        (answer("503 Service Unavailable", "", busy), "HTTP 503: TOOMANYREQUESTS: slow down (tried 4 times)", 4),
        (asks_too_much, "HTTP 429: TOOMANYREQUESTS: slow down", 1),
        (answer("400 Bad Request", "", "nonsense"), "HTTP 400", 1),
        (answer("200 OK", "content-type: text/html\r\n", "<html>log in</html>"), "makes no sense: it is not a JSON object", 1),
        (answer("200 OK", "", r#"{"schemaVersion":1}"#), "makes no sense", 1),
        (Fate::Answer("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_owned()), "tried 4 times", 4),
        (Fate::Answer("SSH-2.0-OpenSSH_9\r\n".to_owned()), "tried 4 times", 4),
        (drip("", HEAD), "no answer within 1.2 s (tried 4 times)", 4),
        (drip(HEAD, "0123456789"), "the answer comes too slowly (tried 4 times)", 4),
    ];
    let each = cases.map(|(fate, expected, requests)| async move {
        let shown = format!("{fate:?}");
        let proxy = Proxy::before(nowhere(), move |_, _| fate.clone()).await;
        let mut options = logged_in(&proxy.host());
        options.timeouts.answer = Duration::from_millis(1200);
        let repository = open(options, &proxy.host(), "acme/shop").await;
        let error = tokio::time::timeout(LONGEST, repository.resolve(&Name::Tag(tag("1")))).await.unwrap().unwrap_err();
        assert!(error.to_string().contains(expected), "{shown}: {error}");
        assert!(error.to_string().contains("/acme/shop:1"), "{shown}: {error}");
        assert_eq!(proxy.requests("GET").len(), requests, "{shown}");
    });
    futures::future::join_all(each).await;
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let server = plain();
    let bytes = noise(500_000, 1);
    let large = blob(bytes.clone());
    let direct = open(logged_in(&server.host()), &server.host(), "acme/shop").await;
    direct.push_blob(&large, None).await.unwrap();
    let proxy =
        Proxy::before(
            server.address(),
            |line, before| if is(line, "GET", "/blobs/") && before < 2 { Fate::CutAnswer(200_000) } else { Fate::Pass },
        )
        .await;
    let mut options = logged_in(&proxy.host());
    // So that the first request is not spent on being asked who it is: a HEAD is.
    options.retry.attempts = 4;
    let repository = open(options, &proxy.host(), "acme/shop").await;
    assert!(repository.has_blob(large.descriptor()).await.unwrap());
    assert_eq!(repository.pull_bytes(large.descriptor(), 500_000).await.unwrap(), bytes);
    let gets = proxy.requests("GET");
    assert_eq!(gets.len(), 3);
    assert!(
        gets[1].to_ascii_lowercase().contains("range: bytes=199") && gets[2].to_ascii_lowercase().contains("range: bytes=39"),
        "{gets:?}"
    );
}

#[tokio::test]
async fn content_that_is_not_what_was_asked_for_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let expected = blob("expected");
    for (fate, text) in [
        (answer("200 OK", "", "EXPECTED"), "is not what its digest says"),
        (answer("200 OK", "", "expected and more"), "is larger than the 8 bytes"),
        (answer("200 OK", "", "exp"), "it ended after 3 bytes of 8 (tried 4 times)"),
        (answer("206 Partial Content", "content-range: bytes 3-7/8\r\n", "ected"), "another part"),
        (answer("302 Found", "location: http://127.0.0.1:1/gone\r\n", ""), "tried 4 times"),
    ] {
        let proxy = Proxy::before(nowhere(), move |_, _| fate.clone()).await;
        let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
        let to = folder.path().join("blob");
        let error = repository.pull_file(expected.descriptor(), &to, 100).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_redirect_takes_no_credential_along() {
    let server = plain();
    let elsewhere = Proxy::before(server.address(), |_, _| answer("200 OK", "", "expected")).await;
    let to = format!("location: http://{}/bucket/blob?signature=s\r\n", elsewhere.host());
    let proxy =
        Proxy::before(server.address(), move |line, _| if is(line, "GET", "/blobs/") { answer("307 Moved", &to, "") } else { Fate::Pass })
            .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    assert!(!repository.has_blob(blob("expected").descriptor()).await.unwrap());
    assert_eq!(repository.pull_bytes(blob("expected").descriptor(), 100).await.unwrap(), "expected");
    assert!(proxy.requests("GET")[0].to_ascii_lowercase().contains("authorization: basic"));
    assert!(!elsewhere.requests("GET")[0].to_ascii_lowercase().contains("authorization"));
}

#[tokio::test]
async fn a_secret_that_comes_back_is_not_shown() {
    let server = plain();
    let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"\u001b[1mdev:{} may not"}}]}}"#, support::USER.1);
    let proxy = Proxy::before(
        server.address(),
        move |line, _| {
            if line.starts_with("PUT") { answer("403 Forbidden", "", &body) } else { Fate::Pass }
        },
    )
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    let error = repository.push_blob(&blob("content"), None).await.unwrap_err();
    assert!(error.to_string().contains("DENIED: [1mdev:*** may not"), "{error}");
    assert!(!format!("{error:?}").contains(support::USER.1));
}

#[tokio::test]
async fn a_token_is_got_where_the_registry_says_and_used_again() {
    let tokens = Proxy::before(nowhere(), |_, _| answer("200 OK", "", r#"{"token":"t0ken","expires_in":300}"#)).await;
    let challenge =
        format!("www-authenticate: Bearer realm=\"http://{}/token\",service=\"r\",scope=\"repository:acme/shop:pull\"\r\n", tokens.host());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(0));
    let count = std::sync::Arc::clone(&seen);
    let proxy = Proxy::before(nowhere(), move |_, _| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == 1 { answer("401 Unauthorized", &challenge, "") } else { answer("200 OK", "", r#"{"name":"acme/shop","tags":["1"]}"#) }
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    assert_eq!(repository.list_tags().await.unwrap(), [tag("1")]);
    assert_eq!(repository.list_tags().await.unwrap(), [tag("1")]);
    let asked = tokens.requests("GET");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("GET /token?service=r&scope=repository%3Aacme%2Fshop%3Apull HTTP"), "{}", asked[0]);
    assert!(asked[0].to_ascii_lowercase().contains("authorization: basic"));
    let gets = proxy.requests("GET");
    assert!(!gets[0].to_ascii_lowercase().contains("authorization"));
    assert!(gets[1..].iter().all(|get| get.contains("Bearer t0ken")) && gets.len() == 3);
}

#[tokio::test]
async fn tags_come_in_pages() {
    let proxy = Proxy::before(nowhere(), |line, _| {
        if line.contains("last=b") {
            answer("200 OK", "", r#"{"tags":["c","not a tag"]}"#)
        } else {
            answer("200 OK", "link: </v2/acme/shop/tags/list?n=1000&last=b>; rel=\"next\"\r\n", r#"{"tags":["b","a"]}"#)
        }
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    assert_eq!(repository.list_tags().await.unwrap(), [tag("a"), tag("b"), tag("c")]);
}

#[tokio::test]
async fn nobody_there_is_an_error_soon() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = ClientOptions { plain_http: vec![free.to_string()], ..support::options() };
    let repository = open(options, &free.to_string(), "acme/shop").await;
    let error = repository.list_tags().await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unreachable { .. })
            && error.to_string().ends_with("Connection refused (os error 111) (tried 4 times)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_with_immutable_tags_of_its_own_is_understood() {
    let (ours, theirs) = (artifact(vec![blob("ours")]), artifact(vec![blob("theirs")]));
    let there = String::from_utf8(theirs.manifest.bytes().to_vec()).unwrap();
    let refused = r#"{"errors":[{"code":"TAG_INVALID","message":"the tag exists and cannot be overwritten"}]}"#;
    // Somebody else comes between the look and the push.
    let proxy = Proxy::before(nowhere(), move |line, before| match (line.split(' ').next().unwrap(), before) {
        ("GET", 0) => answer("404 Not Found", "", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        ("GET", _) => answer("200 OK", "content-type: application/vnd.oci.image.manifest.v1+json\r\n", &there),
        _ => answer("400 Bad Request", "", refused),
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    let error = repository.push_manifest(&ours.manifest, &PushAs::Immutable(tag("1"))).await.unwrap_err();
    let RegistryError::TagTaken { there, here, .. } = &error else { panic!("{error}") };
    assert_eq!((&**there, &**here), (theirs.manifest.digest(), ours.manifest.digest()));
    assert_eq!(proxy.requests("PUT").len(), 1);
}

#[tokio::test]
async fn chunks_that_are_too_large_become_smaller() {
    let server = plain();
    // Something on the way takes 600,000 bytes at most.
    let largest = |head: &str| {
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        length.unwrap_or(0) > 600_000
    };
    let proxy =
        Proxy::with_heads(server.address(), move |head, _| if largest(head) { answer("413 Too Large", "", "") } else { Fate::Pass }).await;
    let options = ClientOptions { chunk: 2 << 20, ..logged_in(&proxy.host()) };
    let repository = open(options, &proxy.host(), "acme/shop").await;
    let bytes = noise(1_500_000, 1);
    let large = blob(bytes.clone());
    assert_eq!(repository.push_blob(&large, None).await.unwrap(), Pushed::Sent);
    assert_eq!(repository.pull_bytes(large.descriptor(), 1_500_000).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_proxy_is_used_for_all_but_the_loopback() {
    let proxy = Proxy::before(nowhere(), |_, _| answer("200 OK", "", r#"{"tags":["1"]}"#)).await;
    let url: Url = format!("http://someone:planted@{}", proxy.host()).parse().unwrap();
    let direct = |url: &Url| url.host_str() == Some("direct.invalid");
    let of = Arc::new(move |to: &Url| Ok((!direct(to)).then(|| url.clone())));
    let mut options = ClientOptions { proxy: Some(of), ..support::options() };
    assert!(!format!("{options:?}").contains("planted"), "{options:?}");
    options.plain_http = vec!["registry.invalid".to_owned(), nowhere().to_string()];
    let far = open(options.clone(), "registry.invalid", "acme/shop").await;
    assert_eq!(far.list_tags().await.unwrap(), [tag("1")]);
    assert!(proxy.requests("GET")[0].starts_with("GET http://registry.invalid/v2/acme/shop/tags/list"));
    options.plain_http.push("direct.invalid".to_owned());
    assert!(open(options.clone(), "direct.invalid", "acme/shop").await.list_tags().await.is_err());
    let near = open(options, &nowhere().to_string(), "acme/shop").await;
    assert!(near.list_tags().await.is_err());
    assert_eq!(proxy.requests("GET").len(), 1);
}

#[tokio::test]
async fn a_registry_with_a_referrers_api_is_asked() {
    let made = artifact(vec![blob("content")]);
    let listed = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":7}}]}}"#,
        made.manifest.digest()
    );
    let proxy = Proxy::before(nowhere(), move |line, _| {
        if line.contains("/referrers/sha256:") { answer("200 OK", "", &listed) } else { answer("404 Not Found", "", "") }
    })
    .await;
    let repository = open(logged_in(&proxy.host()), &proxy.host(), "acme/shop").await;
    let found = repository.referrers(made.manifest.digest()).await.unwrap();
    assert_eq!((found.len(), found[0].digest()), (1, made.manifest.digest()));
    assert_eq!(proxy.requests("GET").len(), 1);
}
