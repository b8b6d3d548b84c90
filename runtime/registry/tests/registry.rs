//! A real registry, with a password and with TLS; and skopeo, which must read what was pushed.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use relrun_registry::spec::Descriptor;
use relrun_registry::{
    Artifact, ArtifactPlan, Client, ClientOptions, Credential, Layout, Manifest, Name, PushAs, Pushed, RegistryError, Repository, Transfer,
};
use relrun_tests::registry::{RegistryServer, RegistrySetup};
use support::{USER, artifact, blob, image, images, logged_in, noise, open, options, plain, tag};

#[tokio::test]
async fn what_is_pushed_is_pulled_again_and_sent_once() {
    let server = plain();
    let folder = tempfile::tempdir().unwrap();
    // Found out to be plain HTTP, as it is on the loopback; known by docker's config.
    let repository = open(ClientOptions { docker_config: Some(server.docker_config()), ..options() }, &server.host(), "acme/shop").await;
    let repository = &*repository;
    let layers = vec![blob(noise(300_000, 1)), blob(noise(65_536, 2)), blob(noise(131_073, 3)), blob(""), blob("small")];
    let made = artifact(layers);
    let transfer = Transfer::new(folder.path());
    assert_eq!(repository.list_tags().await.unwrap(), []);
    assert_eq!(repository.find(&Name::Tag(tag("1.4.2"))).await.unwrap(), None);
    let delivery = transfer.push(repository, &made, &PushAs::Immutable(tag("1.4.2"))).await.unwrap();
    assert!(delivery.blobs.iter().all(|(_, pushed)| *pushed == Pushed::Sent), "{delivery:?}");
    let again = transfer.push(repository, &made, &PushAs::Immutable(tag("1.4.2"))).await.unwrap();
    assert!(again.blobs.iter().all(|(_, pushed)| *pushed == Pushed::Existed), "{again:?}");

    let manifest = repository.resolve(&Name::Tag(tag("1.4.2"))).await.unwrap();
    assert_eq!(manifest, made.manifest);
    for descriptor in manifest.blobs() {
        let to = folder.path().join("pulled");
        repository.pull_file(&descriptor, &to, 300_000).await.unwrap();
        assert_eq!(relrun_registry::digest_of(&fs::read(&to).unwrap()), *descriptor.digest());
    }
    let error = repository.pull_bytes(made.blobs[1].descriptor(), 299_999).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { limit: 299_999, .. }));

    let other = artifact(vec![blob("other")]);
    let error = transfer.push(repository, &other, &PushAs::Immutable(tag("1.4.2"))).await.unwrap_err().to_string();
    assert!(error.contains(made.manifest.digest().as_ref()) && error.contains(other.manifest.digest().as_ref()), "{error}");
    repository.tag(made.manifest.digest(), &tag("prod-candidate")).await.unwrap();
    assert_eq!(repository.list_tags().await.unwrap(), [tag("1.4.2"), tag("prod-candidate")]);
    // This registry is one of those that cannot.
    let error = repository.delete_tag(&tag("prod-candidate")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn a_blob_is_mounted_from_another_repository() {
    let server = plain();
    let client = Client::new(logged_in(&server.host())).unwrap();
    let from = client.open(&support::place(&server.host(), "acme/base")).await.unwrap();
    let to = client.open(&support::place(&server.host(), "acme/shop")).await.unwrap();
    let (there, elsewhere) = (blob(noise(1000, 1)), blob(noise(1000, 2)));
    assert_eq!(from.push_blob(&there, None).await.unwrap(), Pushed::Sent);
    assert_eq!(to.push_blob(&there, Some("acme/base")).await.unwrap(), Pushed::Mounted);
    assert_eq!(to.pull_bytes(there.descriptor(), 1000).await.unwrap(), noise(1000, 1));
    assert_eq!(to.push_blob(&elsewhere, Some("acme/base")).await.unwrap(), Pushed::Sent, "what is not there is sent");
}

#[tokio::test]
async fn skopeo_inspects_and_copies_what_was_pushed() {
    let server = RegistryServer::start(RegistrySetup { user: Some(USER), tls: true });
    let folder = tempfile::tempdir().unwrap();
    let options = ClientOptions { docker_config: Some(server.docker_config()), ca_files: vec![server.ca_file()], ..options() };
    let repository = open(options, &server.host(), "acme/image").await;
    let transfer = Transfer::new(folder.path());
    let (parts, index) = images(folder.path());
    transfer.push(&*repository, &parts[0], &PushAs::Immutable(tag("one"))).await.unwrap();
    transfer.push_index(&*repository, &parts, &index, &PushAs::Immutable(tag("all"))).await.unwrap();

    let (at, ca) = (format!("docker://{}/acme/image", server.host()), server.ca_file());
    let ca = ca.parent().unwrap().to_str().unwrap();
    let inspected = server.skopeo(&["inspect", "--cert-dir", ca, &format!("{at}:one")]);
    assert!(inspected.contains(&format!("\"Digest\": \"{}\"", parts[0].manifest.digest())), "{inspected}");
    let config = server.skopeo(&["inspect", "--config", "--cert-dir", ca, &format!("{at}:one")]);
    assert!(config.contains("/hello"), "{config}");
    let copy = folder.path().join("copy");
    server.skopeo(&["copy", "--quiet", "--all", "--src-cert-dir", ca, &format!("{at}:all"), &format!("oci:{}:all", copy.display())]);
    let layout = Layout::at(&copy);
    assert_eq!(layout.resolve(&Name::Tag(tag("all"))).await.unwrap(), index);

    // And back again from skopeo's directory, as a layout is pushed, with all that the index names.
    let delivery = transfer.copy(&layout, &Name::Tag(tag("all")), &*repository, &PushAs::Immutable(tag("back"))).await.unwrap();
    assert_eq!(&delivery.digest, index.digest());
    assert!(delivery.blobs.iter().all(|(_, pushed)| *pushed == Pushed::Existed));
}

#[tokio::test]
async fn a_copy_within_a_registry_sends_nothing() {
    let server = plain();
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(logged_in(&server.host())).unwrap();
    let from = client.open(&support::place(&server.host(), "acme/base")).await.unwrap();
    let to = client.open(&support::place(&server.host(), "acme/shop")).await.unwrap();
    let transfer = Transfer::new(folder.path());
    let made = image(folder.path(), "one", "linux/amd64");
    transfer.push(&*from, &made, &PushAs::Tagged(tag("1"))).await.unwrap();
    let delivery = transfer.copy(&*from, &Name::Tag(tag("1")), &*to, &PushAs::Tagged(tag("1"))).await.unwrap();
    assert!(delivery.blobs.iter().all(|(_, pushed)| *pushed == Pushed::Mounted), "{delivery:?}");
    let layout = Layout::at(folder.path().join("layout"));
    transfer.copy(&*to, &Name::Tag(tag("1")), &layout, &PushAs::Tagged(tag("1"))).await.unwrap();
    assert_eq!(layout.resolve(&Name::Tag(tag("1"))).await.unwrap(), made.manifest);
}

/// Makes a small artifact that is about another.
fn about(subject: &Manifest, text: &str) -> Artifact {
    let kind = Some("application/vnd.relrun.test.signature.v1".to_owned());
    let annotations = [("org.example.note".to_owned(), text.to_owned())].into();
    let subject = Some(subject.descriptor());
    ArtifactPlan { artifact_type: kind, layers: vec![blob(text.to_owned())], annotations, subject, config: None }.build().unwrap()
}

#[tokio::test]
async fn what_is_about_an_artifact_is_found() {
    let server = plain();
    let folder = tempfile::tempdir().unwrap();
    let remote = open(logged_in(&server.host()), &server.host(), "acme/shop").await;
    let layout = Layout::at(folder.path().join("layout"));
    let made = artifact(vec![blob("content")]);
    let (one, two) = (about(&made.manifest, "one"), about(&made.manifest, "two"));
    for repository in [&*remote, &layout] {
        let transfer = Transfer::new(folder.path());
        transfer.push(repository, &made, &PushAs::Tagged(tag("1"))).await.unwrap();
        assert_eq!(repository.referrers(made.manifest.digest()).await.unwrap(), []);
        for part in [&one, &two, &one] {
            transfer.push(repository, part, &PushAs::ByDigest).await.unwrap();
        }
        let found = repository.referrers(made.manifest.digest()).await.unwrap();
        assert_eq!(found.iter().map(Descriptor::digest).collect::<Vec<_>>(), [one.manifest.digest(), two.manifest.digest()]);
        assert_eq!(found[0].artifact_type().as_ref().unwrap().as_ref(), "application/vnd.relrun.test.signature.v1");
        assert_eq!(found[1].annotations().as_ref().unwrap()["org.example.note"], "two");
    }
}

#[tokio::test]
async fn who_may_not_is_told_what_to_type_and_no_secret() {
    let server = plain();
    let made = artifact(vec![blob("content")]);
    let push = async |options: ClientOptions| {
        let repository = open(options, &server.host(), "acme/shop").await;
        Transfer::new(".").push(&*repository, &made, &PushAs::Tagged(tag("1"))).await.unwrap_err()
    };
    let nobody = push(options()).await;
    assert!(matches!(&nobody, RegistryError::Denied { status: 401, help, .. } if help.contains("docker login")), "{nobody:?}");
    let mut wrong = options();
    wrong.credentials.insert(server.host(), Credential::password("dev", "planted-wrong"));
    assert!(!format!("{:?}", Client::new(wrong.clone()).unwrap()).contains("planted"), "Debug shows no secret");
    let error = push(wrong).await;
    assert!(error.to_string().contains("does not let `dev` do that (HTTP 401)"), "{error}");
    assert!(!format!("{error:?}").contains("planted"));
}

/// Runs [`push_with_the_helper`] in a process of its own, whose PATH may be another.
#[test]
fn a_credential_helper_is_asked() {
    let server = plain();
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("docker-credential-relrun-test");
    let answer = format!(r#"{{"Username":"{}","Secret":"{}"}}"#, USER.0, USER.1);
    fs::write(&helper, format!("#!/bin/sh\nread server\n[ \"$server\" = {} ] && echo '{answer}'\n", server.host())).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let config = folder.path().join("config.json");
    let push = |text: String| {
        fs::write(&config, text).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "push_with_the_helper", "--include-ignored", "--nocapture"]).env("PATH", &path);
        let ran = command.env("RELRUN_TEST_REGISTRY", server.host()).env("RELRUN_TEST_CONFIG", &config).output().unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (pushed, said) = push(format!(r#"{{"credHelpers":{{"{}":"relrun-test"}}}}"#, server.host()));
    assert!(pushed, "{said}");
    let (pushed, said) = push(r#"{"credsStore":"relrun-test"}"#.to_owned());
    assert!(pushed, "{said}");
    // One that fails, after it said something that nobody else may see.
    fs::write(&helper, "#!/bin/sh\ncat >/dev/null\necho planted-secret\nexit 1\n").unwrap();
    let (pushed, said) = push(r#"{"credsStore":"relrun-test"}"#.to_owned());
    assert!(!pushed && said.contains("the credential helper failed") && !said.contains("planted"), "{said}");
    // One that waits for a person who is not there keeps nobody from ending.
    fs::write(&helper, "#!/bin/sh\nexec sleep 20\n").unwrap();
    let started = Instant::now();
    let (pushed, said) = push(r#"{"credsStore":"relrun-test"}"#.to_owned());
    assert!(!pushed && said.contains("did not answer in time"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
#[ignore = "a part of `a_credential_helper_is_asked`, which sets what it reads"]
async fn push_with_the_helper() {
    // All ignored tests may be asked for at once.
    let (Ok(host), Ok(config)) = (std::env::var("RELRUN_TEST_REGISTRY"), std::env::var("RELRUN_TEST_CONFIG")) else { return };
    let mut options = ClientOptions { docker_config: Some(config.into()), ..options() };
    options.timeouts.helper = Duration::from_secs(5);
    let repository = open(options, &host, "acme/shop").await;
    repository.push_blob(&blob(host), None).await.unwrap();
}

#[tokio::test]
async fn an_authority_that_is_not_known_is_not_trusted() {
    let server = RegistryServer::start(RegistrySetup { user: Some(USER), tls: true });
    let mut unknown = options();
    unknown.credentials.insert(server.host(), Credential::password(USER.0, USER.1));
    let repository = open(unknown, &server.host(), "acme/shop").await;
    let error = repository.resolve(&Name::Tag(tag("1"))).await.unwrap_err();
    assert!(error.to_string().contains("TLS failed: invalid peer certificate"), "{error}");
    let RegistryError::Unreachable { help: Some(help), .. } = error else { panic!("it says what helps: {error:?}") };
    assert!(help.contains("CA file"));
    assert!(!server.log().contains("PUT"), "nothing was sent in plain HTTP either");
}
