//! Deployments to hosts behind SSH: a real `sshd` on the loopback, and relrun as a person runs it.

use relrun_tests::Sandbox;
use relrun_tests::sshd::{SshServer, SshSetup};
use std::fs;
use std::path::PathBuf;

/// A project with hosts of its own; each one's files lie in a folder beside the project.
struct Fleet {
    sandbox: Sandbox,
    servers: Vec<SshServer>,
}

impl Fleet {
    /// Makes a project of one host for each setup.
    fn new(setups: &[SshSetup]) -> Self {
        let mut sandbox = Sandbox::new();
        let servers: Vec<SshServer> = setups.iter().map(SshServer::start).collect();
        let config: String = servers.iter().map(SshServer::client_lines).collect();
        sandbox.write("ssh_config", &config);
        sandbox.set("RELRUN_SSH_CONFIG", &sandbox.path("ssh_config").display().to_string());
        sandbox.write("site/index.html", "one\n");
        let fleet = Self { sandbox, servers };
        fleet.manifest("");
        fleet
    }

    fn manifest(&self, more: &str) {
        let hosts: Vec<String> =
            self.servers.iter().enumerate().map(|(at, server)| format!("    host \"web{at}\" \"{}\"\n", server.url())).collect();
        let hosts = hosts.concat();
        let root = self.host(0).display().to_string();
        self.sandbox.write(
            "release.kdl",
            &format!(
                r#"package "acme/pages" version="1.0.@"
environment "live" {{
{hosts}}}
step "pages" plugin="build" {{
    reads "site/**"
    writes "pages"
    grant {{ run "cp" "**" }}
    config {{ command "cp" "-r" "site" "pages" }}
}}
phase "publish" environments="*" {{
    deploy "web" plugin="symlink-swap" {{
        grant {{ host "*"; run "sh" "-c" "*" confine="none" }}
        config {{ source "${{step.pages.pages}}"; root "{root}"; confine "none"; {more} }}
    }}
}}
"#
            ),
        );
    }

    /// The folder of a host.
    fn host(&self, number: usize) -> PathBuf {
        self.servers[number].path("srv")
    }

    fn serves(&self, number: usize) -> String {
        fs::read_to_string(self.host(number).join("current/index.html")).unwrap_or_default()
    }
}

#[test]
fn a_release_is_laid_switched_to_undone_and_rolled_back_over_ssh() {
    let fleet = Fleet::new(&[SshSetup::default()]);
    let first = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(first.code, 0, "{}", first.output);
    assert_eq!(fleet.serves(0), "one\n");
    assert!(first.output.contains("web0: sent 1 files"), "{}", first.output);
    fleet.sandbox.write("site/index.html", "two\n");
    fleet.sandbox.write("site/robots.txt", "none\n");
    fleet.manifest("after \"sh\" \"-c\" \"echo reloaded on $(pwd)\"");
    let second = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(second.code, 0, "{}", second.output);
    assert_eq!(fleet.serves(0), "two\n");
    assert!(second.output.contains("reloaded on /"), "{}", second.output);

    fleet.sandbox.write("site/index.html", "three\n");
    fleet.manifest("expect \"missing.html\"");
    let third = fleet.sandbox.relrun(&["apply"]);
    assert_eq!(third.code, 1, "{}", third.output);
    assert_eq!(fleet.serves(0), "two\n");
    assert_eq!(fs::read_dir(fleet.host(0).join("releases")).unwrap().count(), 3, "two releases and the notes of what is laid");

    let back = fleet.sandbox.relrun(&["rollback", "-e", "live"]);
    assert_eq!(back.code, 0, "{}", back.output);
    assert_eq!(fleet.serves(0), "one\n");
    assert!(back.output.contains("is there already"), "{}", back.output);
    let gone = fleet.sandbox.relrun(&["destroy", "-e", "live", "--yes"]);
    assert_eq!(gone.code, 0, "{}", gone.output);
    assert_eq!(fs::read_dir(fleet.host(0)).unwrap().count(), 0);
}
