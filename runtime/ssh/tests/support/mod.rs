//! A server, a client that knows it, and a folder that is the host's.

#![allow(dead_code, reason = "each test takes what it needs")]

use relrun_ssh::{Address, Link, Ssh, SshOptions};
use relrun_tests::sshd::{SshServer, SshSetup};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) struct Bench {
    pub(crate) server: SshServer,
    pub(crate) ssh: Ssh,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with("internal-sftp")
    }

    pub(crate) fn with(sftp: &'static str) -> Self {
        Self::of(&SshSetup { sftp, ..SshSetup::default() })
    }

    pub(crate) fn of(setup: &SshSetup) -> Self {
        let server = SshServer::start(setup);
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("host")).unwrap();
        fs::write(folder.path().join("ssh_config"), server.client_lines()).unwrap();
        let options = SshOptions { config: Some(folder.path().join("ssh_config")), ..SshOptions::default() };
        Self { ssh: Ssh::new(options), server, folder }
    }

    /// How the server is reached.
    pub(crate) fn options(&self) -> SshOptions {
        SshOptions { config: Some(self.beside("ssh_config")), ..SshOptions::default() }
    }

    pub(crate) fn address(&self) -> Address {
        Address::parse(&self.server.url()).unwrap()
    }

    pub(crate) async fn link(&self) -> Arc<Link> {
        match self.ssh.link(&self.address()).await {
            Ok(link) => link,
            Err(error) => panic!("{error}\n{}", self.server.log()),
        }
    }

    /// A path of the host, as the host names it.
    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A path of the host, as this machine names it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let host = self.folder.path().join("host");
        if name.is_empty() { host } else { host.join(name) }
    }

    /// A path that is not the host's.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
