//! Measures a deployment to ten hosts behind SSH beside capistrano and rsync: the same 10,000 files, turn by turn, each tool in its own words.
//!
//! Every host is a real `sshd` on the loopback that sees a `/srv/pages` of its own. relrun builds, captures and records; capistrano archives a commit
//! on each host, from a mirror that it keeps there; rsync compares with what is served and links what is the same. All end by pointing `current` at a
//! new directory on every host. What went over the wire is what the loopback device counted meanwhile, so that nothing else may run. It prints
//! rows of a table, and must never print a figure of something else than its row says.

#![expect(clippy::unwrap_used, reason = "a panic ends the measurement and says why")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the rows are what it is for")]

use relrun_tests::sshd::{SshServer, SshSetup};
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HOSTS: usize = 10;
const FILES: usize = 10_000;
const CHANGED: usize = 10;
const ROUNDS: usize = 3;
/// The size of each file, in bytes.
const SIZE: usize = 4_096;
/// Where every host serves from.
const ROOT: &str = "/srv/pages";

/// What one deployment took.
#[derive(Clone, Copy)]
struct Taken {
    time: Duration,
    wire: u64,
}

/// The ten hosts, and the folder of the measurement.
struct Fleet {
    servers: Vec<SshServer>,
    folder: PathBuf,
}

/// How a tool deploys what is in `site` now.
struct Tool {
    name: &'static str,
    command: Command,
}

fn main() {
    // `cargo test` runs it too, and there nothing is measured.
    let Some(relrun) = env::var_os("RELRUN_BENCH") else { return };
    assert!(nix::unistd::geteuid().is_root(), "ten hosts on one machine take root: each sees a {ROOT} of its own");
    let fleet = Fleet::new();
    let mut tools = [fleet.relrun(Path::new(&relrun)), fleet.capistrano(), fleet.rsync()];
    let first: Vec<Taken> = tools.iter_mut().map(|tool| fleet.deploy(tool)).collect();
    let mut changed: Vec<Vec<Taken>> = tools.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        fleet.change(round);
        for (tool, taken) in tools.iter_mut().zip(&mut changed) {
            taken.push(fleet.deploy(tool));
        }
    }
    let middle = |mut all: Vec<Taken>| {
        all.sort_unstable_by_key(|taken| taken.time);
        all[all.len() / 2]
    };
    let changed: Vec<Taken> = changed.into_iter().map(middle).collect();
    println!("{}", row("10,000 files to 10 hosts for the first time", &tools, &first, 1));
    println!("{}", row("10 of 10,000 files changed, 10 hosts", &tools, &changed, ROUNDS));
}

/// Returns a row of the table: relrun's own figures, then each peer's in its terms.
fn row(name: &str, tools: &[Tool], taken: &[Taken], rounds: usize) -> String {
    let own = taken[0];
    let figure = |taken: Taken| format!("{:.1} s, {:.1} MB", taken.time.as_secs_f64(), megabytes(taken.wire));
    let peers = tools.iter().zip(taken).skip(1).map(|(tool, taken)| {
        let (time, wire) = (taken.time.as_secs_f64() / own.time.as_secs_f64(), megabytes(taken.wire) / megabytes(own.wire));
        format!("{} {} ({time:.2}×, {wire:.2}× over the wire)", tool.name, figure(*taken))
    });
    let peers: Vec<String> = peers.collect();
    format!("| {name} | | {} | {} | {rounds} |", figure(own), peers.join(", "))
}

#[expect(clippy::cast_precision_loss, reason = "a figure with one place")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

impl Fleet {
    fn new() -> Self {
        fs::create_dir_all(ROOT).unwrap();
        let setup = SshSetup { own: Some(ROOT), ..SshSetup::default() };
        let servers: Vec<SshServer> = (0..HOSTS).map(|_| SshServer::start(&setup)).collect();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fleet");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let config: String = servers.iter().map(SshServer::client_lines).collect();
        fs::write(folder.join("ssh_config"), config).unwrap();
        let fleet = Self { servers, folder };
        for number in 0..FILES {
            fleet.write(number, 0);
        }
        fleet.git(&["init", "--quiet", "--initial-branch=main", "."]);
        fleet.commit();
        fleet
    }

    /// Writes one file of the site: text that no two files and no two rounds have in common.
    fn write(&self, number: usize, round: usize) {
        let folder = self.folder.join(format!("site/d{}", number % 100));
        fs::create_dir_all(&folder).unwrap();
        let line = format!("page {number} of round {round}\n");
        fs::write(folder.join(format!("p{number}.html")), &line.repeat(SIZE / line.len() + 1)[..SIZE]).unwrap();
    }

    fn change(&self, round: usize) {
        for number in 0..CHANGED {
            self.write(number * (FILES / CHANGED), round + 1);
        }
        self.commit();
    }

    fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        let done = git.args(["-c", "user.name=bench", "-c", "user.email=bench@example.com"]).args(words);
        let done = done.current_dir(&self.folder).stdout(Stdio::null()).status().unwrap();
        assert!(done.success(), "git {words:?}");
    }

    fn commit(&self) {
        self.git(&["add", "site"]);
        self.git(&["commit", "--quiet", "-m", "a round"]);
    }

    /// Lets a tool deploy, and asks every host whether it serves what it should.
    fn deploy(&self, tool: &mut Tool) -> Taken {
        let before = loopback();
        let began = Instant::now();
        let output = tool.command.current_dir(&self.folder).stdin(Stdio::null()).output().unwrap();
        let taken = Taken { time: began.elapsed(), wire: loopback() - before };
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(
            output.status.success(),
            "{}: {}",
            tool.name,
            said.chars().rev().take(3_000).collect::<Vec<_>>().iter().rev().collect::<String>()
        );
        let page = fs::read(self.folder.join("site/d0/p0.html")).unwrap();
        for server in &self.servers {
            let served = server.path("own").join(tool.name).join("current");
            // The link is absolute on the host, where its folder stands at the root that all share.
            let target = fs::read_link(&served).unwrap();
            let target = target.strip_prefix(Path::new(ROOT).join(tool.name)).unwrap_or(&target).to_owned();
            let root = server.path("own").join(tool.name).join(target);
            let found = [root.join("site/d0/p0.html"), root.join("d0/p0.html")].into_iter().find_map(|path| fs::read(path).ok());
            assert_eq!(found.as_ref(), Some(&page), "{} did not deploy to {}", tool.name, server.address());
        }
        eprintln!("    {}: {:.1} s, {:.1} MB", tool.name, taken.time.as_secs_f64(), megabytes(taken.wire));
        taken
    }

    fn relrun(&self, relrun: &Path) -> Tool {
        let mut hosts = String::new();
        for (at, server) in self.servers.iter().enumerate() {
            writeln!(hosts, "    host \"web{at}\" \"{}\"", server.url()).unwrap();
        }
        let manifest = format!(
            r#"package "bench/pages" version="1.0.@"
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
        grant {{ host "*" }}
        config {{ source "${{step.pages.pages}}"; root "{ROOT}/relrun"; parallel 10 }}
    }}
}}
"#
        );
        fs::write(self.folder.join("release.kdl"), manifest).unwrap();
        let mut command = Command::new(relrun);
        command.arg("apply").env("RELRUN_SSH_CONFIG", self.folder.join("ssh_config"));
        Tool { name: "relrun", command }
    }

    fn capistrano(&self) -> Tool {
        let folder = &self.folder;
        fs::create_dir_all(folder.join("config/deploy")).unwrap();
        let git = "require \"capistrano/scm/git\"\ninstall_plugin Capistrano::SCM::Git\n";
        fs::write(folder.join("Capfile"), format!("require \"capistrano/setup\"\nrequire \"capistrano/deploy\"\n{git}")).unwrap();
        let repository = folder.join(".git").display().to_string();
        let deploy = format!(
            "set :application, \"pages\"\nset :repo_url, \"{repository}\"\nset :branch, \"main\"\nset :deploy_to, \"{ROOT}/capistrano\"\n\
             set :keep_releases, 5\nset :format, :simpletext\n"
        );
        fs::write(folder.join("config/deploy.rb"), deploy).unwrap();
        let mut live = String::new();
        for server in &self.servers {
            let (address, key) = (server.address(), server.path("user_key"));
            let options = format!("keys: [\"{}\"], keys_only: true, verify_host_key: :never, config: false", key.display());
            let (host, port) = (address.ip(), address.port());
            writeln!(live, "server \"{host}:{port}\", user: \"{}\", roles: [:web], ssh_options: {{ {options} }}", user()).unwrap();
        }
        fs::write(folder.join("config/deploy/live.rb"), live).unwrap();
        let mut command = Command::new("cap");
        command.args(["live", "deploy"]);
        Tool { name: "capistrano", command }
    }

    /// What a script does with it: all hosts at once, a new directory that links what is the same, and the switch.
    fn rsync(&self) -> Tool {
        let (root, config) = (format!("{ROOT}/rsync"), self.folder.join("ssh_config"));
        let mut script = format!("set -e\nnew={root}/releases/$(date +%s%N)\n");
        for server in &self.servers {
            let address = server.address();
            let ssh = format!("ssh -F {} -p {}", config.display(), address.port());
            let host = format!("{}@{}", user(), address.ip());
            writeln!(
                script,
                "( {ssh} {host} mkdir -p $new && rsync -a --link-dest={root}/current/ -e '{ssh}' site/ {host}:$new/ \
                 && {ssh} {host} \"ln -s $new {root}/next && mv -T {root}/next {root}/current\" ) & all=\"$all $!\""
            )
            .unwrap();
        }
        script += "for one in $all; do wait $one; done\n";
        fs::write(self.folder.join("rsync.sh"), script).unwrap();
        let mut command = Command::new("sh");
        command.arg("rsync.sh");
        Tool { name: "rsync", command }
    }
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
}

/// Returns the bytes that the loopback device has received.
fn loopback() -> u64 {
    let devices = fs::read_to_string("/proc/net/dev").unwrap();
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
