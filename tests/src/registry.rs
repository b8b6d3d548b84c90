//! A real registry for tests: `docker-registry` on the loopback, in a folder of its own, ended with the test.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// No registry takes longer to answer.
const LONGEST: Duration = Duration::from_secs(30);
/// Two tests may find the same free port: whoever loses it looks for another, so often.
const STARTS: usize = 5;

/// How a registry is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegistrySetup {
    /// A user and a password that it asks for.
    pub user: Option<(&'static str, &'static str)>,
    /// Whether it speaks TLS, with an authority of its own.
    pub tls: bool,
}

/// A registry that runs, and is gone when it is dropped.
#[derive(Debug)]
pub struct RegistryServer {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
    setup: RegistrySetup,
}

impl RegistryServer {
    /// Starts a registry, and waits until it answers.
    ///
    /// # Panics
    ///
    /// Where `docker-registry` or, for a password, `htpasswd` is not installed: `cargo xtask test` installs them.
    pub fn start(setup: RegistrySetup) -> Self {
        for _ in 0..STARTS {
            if let Some(server) = Self::try_start(setup) {
                return server;
            }
        }
        panic!("no registry could be started in {STARTS} tries");
    }

    fn try_start(setup: RegistrySetup) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("relrun-registry-").tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        fs::write(folder.path().join("config.yml"), config(folder.path(), address, setup)).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("`docker-registry` does not run ({error}): type `cargo xtask test`, which installs it"));
        let mut server = Self { folder, child, address, setup };
        server.wait().then_some(server)
    }

    /// Returns whether it answers; not where it ended instead, as one whose port was taken does.
    fn wait(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < LONGEST {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // By its own word too: whoever took its port may answer in its place.
            if self.log().contains("listening on") && answers(self.address, self.setup.tls) {
                return true;
            }
            sleep(Duration::from_millis(20));
        }
        panic!("the registry does not answer: {}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
    }

    /// Returns its host and port, as a reference names it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the certificate of its authority, which lies in a folder that holds nothing else. It is there only with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca/ca.crt")
    }

    /// Writes a docker config that knows its user, and returns the file.
    pub fn docker_config(&self) -> PathBuf {
        let (user, password) = self.setup.user.unwrap_or_default();
        let auth = STANDARD.encode(format!("{user}:{password}"));
        let text = format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, self.host());
        let path = self.folder.path().join("config.json");
        fs::write(&path, text).unwrap();
        path
    }

    /// Returns what it has written.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Returns the file of the largest blob that it holds, so that a test can change it behind its back.
    ///
    /// # Panics
    ///
    /// Where it holds none.
    pub fn largest_blob(&self) -> PathBuf {
        fn blobs(folder: &Path, found: &mut Vec<(u64, PathBuf)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    blobs(&path, found);
                } else if path.ends_with("data") {
                    found.push((fs::metadata(&path).unwrap().len(), path));
                }
            }
        }
        let mut found = Vec::new();
        blobs(&self.folder.path().join("data"), &mut found);
        found.into_iter().max().unwrap().1
    }

    /// Runs skopeo with `words`, as its user and with its authority, and returns what it wrote to stdout.
    ///
    /// # Panics
    ///
    /// Where it is not installed, or fails.
    pub fn skopeo(&self, words: &[&str]) -> String {
        let mut command = Command::new("skopeo");
        command.args(words).stdin(Stdio::null()).env("REGISTRY_AUTH_FILE", self.docker_config());
        let ran = command.output().unwrap_or_else(|error| panic!("`skopeo` does not run ({error}): type `cargo xtask test`"));
        assert!(ran.status.success(), "skopeo {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(folder: &Path, address: SocketAddr, setup: RegistrySetup) -> String {
    let shown = folder.display();
    let mut text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {shown}/data\n  delete:\n    enabled: true\n\
         http:\n  addr: {address}\n  secret: of-a-test\n"
    );
    if setup.tls {
        certify(folder);
        write!(text, "  tls:\n    certificate: {shown}/server.crt\n    key: {shown}/server.key\n").unwrap();
    }
    if let Some((user, password)) = setup.user {
        fs::write(folder.join("htpasswd"), hashed(user, password)).unwrap();
        write!(text, "auth:\n  htpasswd:\n    realm: test\n    path: {shown}/htpasswd\n").unwrap();
    }
    text
}

/// Returns a line of a password file, in the one form that the registry reads.
fn hashed(user: &str, password: &str) -> Vec<u8> {
    let ran = Command::new("htpasswd").args(["-nbB", "-C", "4", user, password]).output();
    let ran = ran.unwrap_or_else(|error| panic!("`htpasswd` does not run ({error}): type `cargo xtask test`, which installs it"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

fn certify(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    fs::create_dir(folder.join("ca")).unwrap();
    fs::write(folder.join("ca/ca.crt"), authority.pem()).unwrap();
    fs::write(folder.join("server.crt"), server.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

/// Asks whether it is there: in plain HTTP, which a server that speaks TLS answers too, though not kindly.
fn answers(address: SocketAddr, tls: bool) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut answer = [0; 64];
    let asked = stream.write_all(b"GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    let count = asked.and_then(|()| stream.read(&mut answer)).unwrap_or(0);
    let text = String::from_utf8_lossy(&answer[..count]);
    let expected: &[&str] = if tls { &["HTTP/1.0 400"] } else { &["HTTP/1.1 200", "HTTP/1.1 401"] };
    expected.iter().any(|start| text.starts_with(start))
}
