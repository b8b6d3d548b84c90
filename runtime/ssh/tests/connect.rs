//! Coming to a host: by the user's own configuration, and what is said where it fails.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails")]

mod support;

use relrun_ssh::{Address, Remote, Ssh, SshError, SshErrorKind, SshOptions};
use relrun_tests::sshd::{SshServer, SshSetup, key};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use support::Bench;

/// Connects with a configuration, and says why that fails.
async fn refused(folder: &Path, config: &str, url: &str) -> SshError {
    let file = folder.join("refused_config");
    fs::write(&file, config).unwrap();
    let options = SshOptions { config: Some(file), login: Duration::from_secs(20), ..SshOptions::default() };
    let link = Ssh::new(options).link(&Address::parse(url).unwrap()).await;
    link.err().expect("it is refused")
}

#[tokio::test]
async fn an_unknown_host_is_told_apart_from_one_whose_key_changed() {
    let bench = Bench::new();
    let lines = bench.server.client_lines();
    let (folder, url) = (bench.beside(""), bench.server.url());
    let known = folder.join("known");
    let config = format!("UserKnownHostsFile {}\n{lines}", known.display());
    fs::write(&known, "").unwrap();
    let unknown = refused(&folder, &config, &url).await;
    assert_eq!(unknown.kind, SshErrorKind::Denied);
    assert!(unknown.message.contains("its host key is not known"), "{unknown}");
    assert!(
        unknown.message.contains(&format!("ssh-keyscan -p {} 127.0.0.2 >> {}", bench.server.address().port(), known.display())),
        "{unknown}"
    );

    key(&folder.join("other_key"));
    let other = fs::read_to_string(folder.join("other_key.pub")).unwrap();
    fs::write(&known, format!("[127.0.0.2]:{} {other}", bench.server.address().port())).unwrap();
    let changed = refused(&folder, &config, &url).await;
    assert_eq!(changed.kind, SshErrorKind::Denied);
    assert!(changed.message.contains("is not the one in"), "{changed}");
    let help = format!("ssh-keygen -R '[127.0.0.2]:{}' -f {}", bench.server.address().port(), known.display());
    assert!(changed.message.contains(&help), "{changed}");
}

#[tokio::test]
async fn a_refused_key_an_unknown_name_and_an_unreachable_host_are_said() {
    let bench = Bench::new();
    let lines = bench.server.client_lines();
    let (folder, url) = (bench.beside(""), bench.server.url());
    key(&folder.join("strange_key"));
    let strange =
        format!("IdentityFile {}\nIdentityAgent none\n{}", folder.join("strange_key").display(), lines.replace("user_key", "nothing"));
    let denied = refused(&folder, &strange, &url).await;
    assert_eq!(denied.kind, SshErrorKind::Denied);
    assert!(denied.message.contains("refuses every key that was offered"), "{denied}");
    let missing = refused(&folder, "", "ssh://no-such-host.invalid").await;
    assert_eq!(missing.kind, SshErrorKind::Missing, "{missing}");
    let mut gone = SshServer::start(&SshSetup::default());
    gone.kill();
    let away = refused(&folder, &gone.client_lines(), &gone.url()).await;
    assert_eq!(away.kind, SshErrorKind::Transient);
    assert!(away.message.contains("it is not to be reached: connect to host 127.0.0.2 port"), "{away}");
    let wrong = refused(&folder, "Nonsense yes\n", &url).await;
    assert_eq!(wrong.kind, SshErrorKind::Invalid, "{wrong}");
}

#[tokio::test]
async fn a_host_that_never_greets_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let url = format!("ssh://somebody@{}", silent.local_addr().unwrap());
    let began = Instant::now();
    let late = refused(folder.path(), "ConnectTimeout 1\n", &url).await;
    assert_eq!(late.kind, SshErrorKind::TimedOut, "{late}");
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_host_without_sftp_is_said() {
    let bench = Bench::with("/bin/false");
    let none = bench.ssh.link(&bench.address()).await.err().expect("there is no SFTP");
    assert!(matches!(none.kind, SshErrorKind::Transient | SshErrorKind::Permanent), "{none}");
    let bench = Bench::with("/bin/echo nonsense");
    let nonsense = bench.ssh.link(&bench.address()).await.err().expect("that is no SFTP");
    assert!(!nonsense.message.is_empty());
}

#[tokio::test]
async fn a_jump_host_is_gone_through_and_its_refusal_is_said_as_its_own() {
    let (inner, outer) = (Bench::new(), SshServer::start(&SshSetup { address: "127.0.0.3", ..SshSetup::default() }));
    let jump = outer.url();
    let lines = format!("Host 127.0.0.2\n  ProxyJump {jump}\n{}{}", inner.server.client_lines(), outer.client_lines());
    let options = |text: &str| {
        fs::write(inner.beside("jump_config"), text).unwrap();
        SshOptions { config: Some(inner.beside("jump_config")), ..SshOptions::default() }
    };
    let ssh = Ssh::new(options(&lines));
    let link = ssh.link(&inner.address()).await.unwrap();
    link.write_file(&inner.at("through.txt"), b"x").await.unwrap();
    assert!(outer.log().contains("Accepted publickey"), "{}", outer.log());
    let stranger = lines.replace(&format!("{}", outer.path("known_hosts").display()), "/dev/null");
    let refused = Ssh::new(options(&stranger)).link(&inner.address()).await.err().expect("the jump host is not known");
    assert_eq!(refused.kind, SshErrorKind::Denied, "{refused}");
    assert!(refused.message.contains("127.0.0.3"), "{refused}");
}

#[tokio::test]
async fn one_connection_is_shared_made_anew_where_it_was_lost_and_leaves_nothing() {
    let mut bench = Bench::new();
    let (one, other) = tokio::join!(bench.link(), bench.link());
    assert!(std::sync::Arc::ptr_eq(&one, &other));
    assert_eq!(bench.server.sessions().len(), 1);
    bench.server.restart();
    let lost = one.write_file(&bench.at("a"), b"x").await.unwrap_err();
    assert_eq!(lost.kind, SshErrorKind::Transient, "{lost}");
    assert!(lost.message.contains("the connection was lost"), "{lost}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    bench.link().await.write_file(&bench.at("a"), b"x").await.unwrap();
    drop((one, other));
    bench.ssh = Ssh::new(SshOptions::default());
    let began = Instant::now();
    while !bench.server.sessions().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "a connection stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn commands_go_over_the_connection_that_is_there() {
    let bench = Bench::new();
    let link = bench.link().await;
    let argv = ["sh", "-c", "echo $0 $A; cat; exit 7", "it's"].map(str::to_owned).to_vec();
    let remote = Remote { argv, env: vec![("A".into(), "one".into())], stdin: b"input".to_vec(), ..Remote::default() };
    let called = link.command(&remote).unwrap();
    let mut child = tokio::process::Command::new("ssh");
    child.args(&called.args).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut child = child.spawn().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut child.stdin.take().unwrap(), &called.stdin).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((String::from_utf8(output.stdout).unwrap().as_str(), output.status.code()), ("it's one\ninput", Some(7)));
    assert_eq!(bench.server.sessions().len(), 1);
}

#[tokio::test]
async fn certificates_are_enough_on_both_sides() {
    let bench = Bench::of(&SshSetup { certified: true, ..SshSetup::default() });
    bench.link().await.write_file(&bench.at("certified.txt"), b"x").await.unwrap();
    assert!(!bench.server.path("authorized_keys").exists());
}

/// Runs the `ssh` of a command, and returns how it ended and what it said.
async fn run(started: relrun_ssh::Started) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new("ssh");
    command.args(started.args).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(20), command.output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_command_opens_no_forwarding_and_no_connection_of_its_own() {
    let bench = Bench::new();
    let forward = std::net::TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let config = bench.beside("forwarding");
    let called = bench.beside("called");
    let lines = bench.server.client_lines();
    let more = format!("LocalForward {forward} 127.0.0.1:1\nPermitLocalCommand yes\nLocalCommand touch {}\n{lines}", called.display());
    std::fs::write(&config, more).unwrap();
    let ssh = Ssh::new(SshOptions { config: Some(config), ..SshOptions::default() });
    let link = ssh.link(&bench.address()).await.unwrap();
    let remote = Remote { argv: ["sh", "-c", "echo hello"].map(str::to_owned).to_vec(), ..Remote::default() };
    assert_eq!(run(link.command(&remote).unwrap()).await, (Some(0), "hello\n".to_owned()));
    assert!(std::net::TcpStream::connect(forward).is_err(), "nobody listens there");
    assert!(!called.exists());
    bench.server.cut();
    assert!(link.was_lost().await);
    let (code, said) = run(link.command(&remote).unwrap()).await;
    assert_eq!(code, Some(255), "{said}");
    assert!(!said.contains("hello"), "it went by a connection of its own");
}
