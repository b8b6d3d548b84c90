//! A real SSH server for tests: `sshd` on the loopback with keys of its own, in a folder of its own, ended with the test.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// No server takes longer to answer.
const LONGEST: Duration = Duration::from_secs(30);
/// Two tests may find the same free port: whoever loses it looks for another, so often.
const STARTS: usize = 5;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct SshSetup {
    /// Where it listens.
    pub address: &'static str,
    /// What it offers as SFTP.
    pub sftp: &'static str,
    /// More lines for its configuration.
    pub lines: &'static str,
    /// Whether the keys of both sides are known by the certificates of an authority, and by nothing else.
    pub certified: bool,
    /// A directory of this machine in whose place whoever logs in sees one of this server's folder, as if the host were another machine. Takes root.
    pub own: Option<&'static str>,
}

impl Default for SshSetup {
    fn default() -> Self {
        Self { address: "127.0.0.2", sftp: "internal-sftp", lines: "", certified: false, own: None }
    }
}

/// A server that runs, and is gone with all of its connections when it is dropped.
#[derive(Debug)]
pub struct SshServer {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
    setup: SshSetup,
}

impl SshServer {
    /// Starts a server, and waits until it answers.
    ///
    /// # Panics
    ///
    /// Where `sshd` is not installed: `cargo xtask test` installs it.
    pub fn start(setup: &SshSetup) -> Self {
        for _ in 0..STARTS {
            let folder = tempfile::Builder::new().prefix("relrun-sshd-").tempdir().unwrap();
            let address = TcpListener::bind((setup.address, 0)).unwrap().local_addr().unwrap();
            key(&folder.path().join("host_key"));
            key(&folder.path().join("user_key"));
            if setup.certified {
                certify(folder.path(), setup);
            } else {
                fs::copy(folder.path().join("user_key.pub"), folder.path().join("authorized_keys")).unwrap();
            }
            if let Some(child) = launch(folder.path(), address, setup) {
                return Self { folder, child, address, setup: setup.clone() };
            }
        }
        panic!("no sshd could be started in {STARTS} tries");
    }

    /// Returns its address, as a manifest names it.
    pub fn url(&self) -> String {
        format!("ssh://{}@{}", user(), self.address)
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns what `ssh_config` says of it: its key, and that its host key is the one that is known.
    pub fn client_lines(&self) -> String {
        let (file, shown) = (self.path("known_hosts"), self.folder.path().display());
        let name = format!("[{}]:{}", self.address.ip(), self.address.port());
        let known = if self.setup.certified {
            format!("@cert-authority {name} {}", fs::read_to_string(self.path("authority.pub")).unwrap())
        } else {
            format!("{name} {}", fs::read_to_string(self.path("host_key.pub")).unwrap())
        };
        fs::write(&file, known).unwrap();
        format!(
            "Match host {} exec \"test %p = {}\"\n  IdentityFile {shown}/user_key\n  IdentitiesOnly yes\n  UserKnownHostsFile {shown}/known_hosts\n",
            self.address.ip(),
            self.address.port(),
        )
    }

    /// Returns a line for a shell that ends it with all of its connections.
    pub fn kill_line(&self) -> String {
        let own = self.child.id();
        format!("for p in $(cat /proc/{own}/task/{own}/children) {own}; do kill -9 $p; done")
    }

    /// Ends it with all of its connections, at once.
    pub fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for session in self.sessions() {
                let _ = nix::sys::signal::kill(session, Signal::SIGKILL);
            }
            let _ = killpg(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }

    /// Ends its connections, and leaves it listening.
    pub fn cut(&self) {
        for session in self.sessions() {
            let _ = nix::sys::signal::kill(session, Signal::SIGKILL);
        }
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        self.kill();
        self.child = launch(self.folder.path(), self.address, &self.setup).expect("its port is free again");
    }

    /// Returns the processes that serve its connections.
    pub fn sessions(&self) -> Vec<Pid> {
        let own = self.child.id().to_string();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let parent = |path: &Path| {
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
        };
        let ours = entries.filter(|entry| parent(&entry.path()).as_deref() == Some(own.as_str()));
        ours.filter_map(|entry| Some(Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))).collect()
    }

    /// Stops the processes of a name that came from its connections, and returns them.
    pub fn stop_below(&self, name: &str) -> Vec<Pid> {
        let mut found = self.sessions();
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
            found.extend(children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())));
            next += 1;
        }
        found.retain(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name));
        for pid in &found {
            nix::sys::signal::kill(*pid, Signal::SIGSTOP).unwrap();
        }
        found
    }

    /// Lets stopped processes go on.
    pub fn go_on(&self, stopped: &[Pid]) {
        for pid in stopped {
            let _ = nix::sys::signal::kill(*pid, Signal::SIGCONT);
        }
    }

    /// Returns what it has written.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the name of whoever runs the test: who logs in, since a server that is not root lets in nobody else.
fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
}

/// Makes an authority, and its certificates for the host and for the user.
fn certify(folder: &Path, setup: &SshSetup) {
    key(&folder.join("authority"));
    let sign = |words: &[&str], name: &str| {
        let mut command = Command::new("ssh-keygen");
        command.arg("-q").arg("-s").arg(folder.join("authority")).args(["-I", "test"]).args(words).arg(folder.join(name));
        let signed = command.stdin(Stdio::null()).output().unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    };
    sign(&["-h", "-n", setup.address], "host_key.pub");
    sign(&["-n", &user()], "user_key.pub");
}

/// Makes a key without a passphrase.
pub fn key(path: &Path) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path).stdin(Stdio::null()).output();
    let made = made.unwrap_or_else(|error| panic!("`ssh-keygen` does not run ({error}): type `cargo xtask test`, which installs it"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn launch(folder: &Path, address: SocketAddr, setup: &SshSetup) -> Option<Child> {
    if nix::unistd::geteuid().is_root() {
        // As root it gives up its rights in this folder, which a package's service script would make.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let shown = folder.display();
    let (sftp, mut lines) = (setup.sftp, setup.lines.to_owned());
    if setup.certified {
        lines = format!("{lines}\nHostCertificate {shown}/host_key-cert.pub\nTrustedUserCAKeys {shown}/authority.pub");
    }
    let config = format!(
        "ListenAddress {address}\nHostKey {shown}/host_key\nAuthorizedKeysFile {shown}/authorized_keys\nPidFile none\nUsePAM no\n\
         StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n\
         Subsystem sftp {sftp}\n{lines}\n"
    );
    fs::write(folder.join("sshd_config"), config).unwrap();
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut child = server(folder, setup)
        .args(["-D", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("`sshd` does not run ({error}): type `cargo xtask test`, which installs it"));
    let started = Instant::now();
    while started.elapsed() < LONGEST {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if greets(address) {
            return Some(child);
        }
        sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("sshd does not answer: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
}

/// Returns the server's command, without its arguments.
fn server(folder: &Path, setup: &SshSetup) -> Command {
    let program = "/usr/sbin/sshd";
    let Some(own) = setup.own else { return Command::new(program) };
    fs::create_dir_all(folder.join("own")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"", "sh"]);
    command.arg(folder.join("own")).args([own, program]);
    command
}

fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).is_ok() && greeting == *b"SSH-" && stream.write_all(b"SSH-2.0-test\r\n").is_ok()
}
