//! One connection to one host, kept for the whole run: an `ssh` that carries the SFTP session and, as the master of its own control socket,
//! every command. It ends when its standard input does, so that it is gone even where relrun was killed.

use crate::address::Address;
use crate::config::{Effective, no_ssh, program};
use crate::error::{Ended, SshError, SshErrorKind};
use crate::names::Named;
use crate::pool::SshOptions;
use crate::trouble;
use crate::wire::{Counted, Traffic};
use openssh_sftp_client::{Sftp, SftpOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

/// How much of what `ssh` says is kept.
const KEPT: usize = 16 << 10;
/// How long an `ssh` that gave up may take to say why.
const WORDS: Duration = Duration::from_secs(2);

/// How often, and after what time each, a connection is asked whether it is gone.
const HEARING: u32 = 10;
const MOMENT: Duration = Duration::from_millis(50);

/// A connected host.
pub struct Link {
    pub(crate) address: Address,
    pub(crate) options: SshOptions,
    pub(crate) control: PathBuf,
    sftp: Sftp,
    process: Mutex<Child>,
    said: Arc<Said>,
    pub(crate) traffic: Arc<Traffic>,
    /// Set where there was no answer: what this knows of the session is not to be relied on any more.
    lost: AtomicBool,
    /// How much is waited for that the host's SFTP has no part in.
    pub(crate) local: AtomicUsize,
}

/// What `ssh` wrote to its standard error: the last of it.
#[derive(Default)]
struct Said(Mutex<Vec<u8>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
    }
}

impl Link {
    /// Connects to a host.
    pub(crate) async fn open(options: &SshOptions, address: &Address, control: PathBuf) -> Result<Self, SshError> {
        let known = Effective::of(options, address).await?;
        let mut command = program(options);
        for option in fixed(&control).into_iter().chain(known.bounds(options)) {
            command.arg("-o").arg(option);
        }
        command.args(["-x", "-T", "-s"]).args(address.args()).arg("sftp");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
        let mut process = spawned.map_err(|error| no_ssh(&error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (process.stdin.take(), process.stdout.take(), process.stderr.take()) else {
            return Err(SshError::permanent("ssh has no standard streams"));
        };
        let said = Arc::new(Said::default());
        let heard = tokio::spawn(hear(stderr, Arc::clone(&said)));
        let traffic = Arc::new(Traffic::default());
        let greeting = Sftp::new(
            Counted { inner: stdin, traffic: Arc::clone(&traffic) },
            Named::new(Counted { inner: stdout, traffic: Arc::clone(&traffic) }),
            SftpOptions::new(),
        );
        let sftp = match tokio::time::timeout(options.login, greeting).await {
            Ok(Ok(sftp)) => sftp,
            Ok(Err(error)) => {
                // It is read to its end: why it gave up stands in the last lines.
                let _ = tokio::time::timeout(WORDS, heard).await;
                let text = said.text();
                if text.trim().is_empty() && !matches!(process.try_wait(), Ok(Some(_))) {
                    let help = "does its shell print something when it starts?";
                    return Err(SshError::permanent(format!("`{address}` does not speak SFTP: {error}; {help}")));
                }
                return Err(trouble::why(address, &known, &text));
            }
            Err(_) => {
                let waited = options.login.as_secs();
                return Err(SshError::new(
                    SshErrorKind::TimedOut,
                    format!("failed to connect (`{address}`): no greeting within {waited} s"),
                ));
            }
        };
        tracing::debug!(%address, "connected");
        Ok(Self {
            address: address.clone(),
            options: options.clone(),
            control,
            sftp,
            process: Mutex::new(process),
            said,
            traffic,
            lost: AtomicBool::new(false),
            local: AtomicUsize::new(0),
        })
    }

    /// Returns whether the connection still stands, as far as this side knows.
    pub fn is_alive(&self) -> bool {
        !self.lost.load(Ordering::Relaxed) && matches!(self.process().try_wait(), Ok(None))
    }

    /// Returns whether it was lost: of a command that just ended with `ssh`'s own exit code, asked after a moment in which this side may hear of it.
    pub async fn was_lost(&self) -> bool {
        for _ in 0..HEARING {
            if !self.stands() {
                return true;
            }
            tokio::time::sleep(MOMENT).await;
        }
        false
    }

    /// Returns whether a command could go over it, as far as this side knows.
    pub fn stands(&self) -> bool {
        self.is_alive() && self.control.exists()
    }

    /// Gives it up, so that nobody is handed it again.
    pub(crate) fn lose(&self) {
        if !self.lost.swap(true, Ordering::Relaxed) {
            // Where that fails it has ended already.
            let _ = self.process().start_kill();
        }
    }

    fn process(&self) -> MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bytes of SFTP that were sent and received so far.
    pub fn traffic(&self) -> (u64, u64) {
        self.traffic.total()
    }

    /// Returns the SFTP session, where the host can do what every change relies on.
    pub(crate) fn sftp(&self) -> Result<&Sftp, SshError> {
        if self.sftp.support_posix_rename() {
            return Ok(&self.sftp);
        }
        Err(SshError::permanent(format!(
            "`{}`: its SFTP server does not offer posix-rename@openssh.com, so that nothing can be replaced in one step; \
             nothing was changed. Let its sshd_config say `Subsystem sftp internal-sftp`, without `-P posix-rename`",
            self.address
        )))
    }

    /// Says why a request on a path failed.
    pub(crate) fn told(&self, doing: &str, path: &str, ended: Ended) -> SshError {
        match ended {
            Ended::Refused(kind, reason) => SshError::new(kind, format!("failed to {doing} {path}: {reason}")),
            Ended::Lost(reason) => {
                self.lose();
                let said = self.said.text();
                let last = trouble::last_line(&said);
                let last = if last.is_empty() { reason.as_str() } else { last };
                SshError::new(SshErrorKind::Transient, format!("failed to {doing} {path}: the connection was lost ({last})"))
            }
        }
    }
}

/// What is so for every connection, whatever the user's configuration says.
fn fixed(control: &Path) -> Vec<String> {
    let mut path = control.display().to_string();
    path = path.replace('%', "%%");
    let words = [
        "BatchMode=yes",
        "ControlMaster=yes",
        "ControlPersist=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "LogLevel=ERROR",
        "EscapeChar=none",
    ];
    let mut fixed: Vec<String> = words.map(str::to_owned).to_vec();
    fixed.push(format!("ControlPath=\"{path}\""));
    fixed
}

/// Keeps what is written, until nothing is.
async fn hear(mut pipe: impl AsyncRead + Unpin, said: Arc<Said>) {
    let mut bytes = vec![0; 4 << 10];
    while let Ok(length) = pipe.read(&mut bytes).await {
        if length == 0 {
            return;
        }
        said.add(&bytes[..length]);
    }
}
