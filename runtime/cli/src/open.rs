//! From the environment to a workspace: where the project is, who works, what the stores are.

use crate::args::Cli;
use relrun_engine::{BundledPlugin, EngineError, Given, GivenText, Supply, Workspace};
use relrun_host::{CompileLimits, Compiler, Host, HostOptions};
use relrun_ledger::{Actor, Digest};
use relrun_manifest::{Project, StateSetting};
use relrun_store::{LocalBlobStore, LocalCache, SqliteRunStore};
use relrun_supply::SupplyOptions;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

/// What a command does to the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It writes.
    Write,
    /// It reads alone, also in a folder that may not be written.
    Read,
    /// It reads alone, also where nothing was ever done; and then it leaves nothing there.
    Look,
}

/// A workspace, and the folder that stands in for `.relrun/` where a look must not make one; it goes with this.
pub(crate) struct Place {
    pub(crate) workspace: Arc<Workspace>,
    _stand_in: Option<tempfile::TempDir>,
}

/// Opens the workspace of a manifest for what a command does.
pub(crate) fn place(cli: &Cli, manifest: &Path, access: Access) -> Result<Place, EngineError> {
    let root = root(cli, manifest)?;
    let project = relrun_engine::project(&root, &policies())?;
    let own = root.join(".relrun");
    let state = match &project.state {
        Some(StateSetting::Folder(folder)) => shared(root.join(folder))?,
        Some(StateSetting::Local) | None => own.clone(),
    };
    match access {
        Access::Look if !ledger_of(&state).exists() => {
            let stand_in = tempfile::tempdir().map_err(|source| EngineError::io("make a folder for the time being", source))?;
            let folders = Folders { state: stand_in.path().to_owned(), own: stand_in.path().to_owned() };
            let supply = supply(cli, &root, &project, access);
            Ok(Place { workspace: in_folders(root, project, folders, (Access::Write, supply))?, _stand_in: Some(stand_in) })
        }
        access => {
            let supply = supply(cli, &root, &project, access);
            let access = if access == Access::Look { Access::Read } else { access };
            Ok(Place { workspace: in_folders(root, project, Folders { state, own }, (access, supply))?, _stand_in: None })
        }
    }
}

/// Opens the workspace of a manifest.
pub(crate) fn workspace(cli: &Cli, manifest: &Path, access: Access) -> Result<Arc<Workspace>, EngineError> {
    place(cli, manifest, access).map(|place| place.workspace)
}

/// Where a workspace keeps what it has.
struct Folders {
    /// The ledger and the content.
    state: PathBuf,
    /// What this machine can make again, and drafts.
    own: PathBuf,
}

/// Refuses a folder that several machines may use at once: the ledger's shared memory, and how it sees that a holder of a lock died, end at the
/// machine. FUSE is not among them, for what is behind it may be local.
fn shared(folder: PathBuf) -> Result<PathBuf, EngineError> {
    const SMB2: i64 = 0xfe53_4d42;
    const CIFS: i64 = 0xff53_4d42;
    const NETWORKS: [(i64, &str); 4] = [(0x6969, "NFS"), (0x517b, "SMB"), (SMB2, "SMB"), (CIFS, "SMB")];
    let there = folder.ancestors().find(|ancestor| ancestor.exists());
    let kind = there.and_then(|there| nix::sys::statfs::statfs(there).ok()).map(|found| found.filesystem_type().0 & 0xffff_ffff);
    match NETWORKS.iter().find(|(number, _)| Some(*number) == kind) {
        None => Ok(folder),
        Some((_, name)) => Err(EngineError::input(
            format!("{} lies on {name}, where a ledger cannot be locked", folder.display()),
            "keep it on a disk of one machine, and move it with `relrun state export` and `relrun state import`",
        )),
    }
}

/// Opens a workspace with its stores in folders. The host is made, and nothing compiled.
fn in_folders(
    root: PathBuf,
    project: Project,
    folders: Folders,
    (access, supply): (Access, Supply),
) -> Result<Arc<Workspace>, EngineError> {
    let stores = Stores::open(&folders.state, access)?;
    if access != Access::Read {
        make(&folders.own)?;
    }
    let relrun = std::env::current_exe().map_err(|source| EngineError::io("find relrun's own program", source))?;
    let registries = registries(&root, &project);
    Ok(Arc::new(Workspace {
        root,
        project,
        state: folders.state,
        runs: stores.runs,
        blobs: stores.blobs,
        cache: LocalCache::open(&folders.own.join("cache")),
        stats: OnceLock::new(),
        host: Host::new(host_options(relrun, registries)),
        supply,
        bundled: bundled(),
        actor: actor(),
        now: relrun_ledger::Timestamp::now(),
        stdin: LazyLock::new(read_stdin),
        variables: std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect(),
    }))
}

/// Returns how components are run: compiled by a child and kept, commands held by relrun itself.
fn host_options(relrun: PathBuf, registries: relrun_registry::ClientOptions) -> HostOptions {
    HostOptions {
        compile_cache: user_cache().map(|cache| cache.join("relrun").join("compiled")),
        compiler: Compiler::Child { program: relrun.clone(), args: vec![crate::COMPILE.into()] },
        compile_limits: CompileLimits::default(),
        launcher: Some(relrun_confine::Launcher::new(relrun, [crate::CONFINED])),
        commands: None,
        gate: relrun_gate::GateOptions { proxies: proxies(), ..relrun_gate::GateOptions::default() },
        ssh: ssh(),
        clusters: kubernetes_sources(),
        registries,
    }
}

/// Returns how components are run where there is no project: with this machine's compile cache, and no way out but the usual ones.
pub(crate) fn bare_host() -> Result<HostOptions, EngineError> {
    let relrun = std::env::current_exe().map_err(|source| EngineError::io("find relrun's own program", source))?;
    Ok(host_options(relrun, relrun_registry::ClientOptions::default()))
}

/// Returns how plugins are fetched, and where they and bundles of them are kept: for the user, not for the project.
pub(crate) fn supply(cli: &Cli, root: &Path, project: &Project, access: Access) -> Supply {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let options = SupplyOptions {
        cache: set("RELRUN_PLUGIN_CACHE").or_else(|| user_cache().map(|cache| cache.join("relrun").join("plugins"))),
        bundles: data.map(|data| data.join("relrun").join("bundles")),
        registries: relrun_registry::ClientOptions { progress: crate::show::progress(cli), ..registries(root, project) },
        offline: cli.offline,
        locked: cli.locked,
    };
    Supply::new(options, access == Access::Write)
}

/// Returns how hosts are reached: by the user's own `ssh_config`, or by the one that `RELRUN_SSH_CONFIG` names. A variable and no word of a manifest,
/// because an `ssh_config` may run any command on this machine.
fn ssh() -> relrun_host::SshOptions {
    let config = std::env::var_os("RELRUN_SSH_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    relrun_host::SshOptions { config, ..relrun_host::SshOptions::default() }
}

struct Stores {
    runs: Arc<dyn relrun_store::RunStore>,
    blobs: Arc<dyn relrun_store::BlobStore>,
}

impl Stores {
    fn open(folder: &Path, access: Access) -> Result<Self, EngineError> {
        let ledger = ledger_of(folder);
        if access == Access::Read {
            let runs = SqliteRunStore::open_read_only(&ledger)?;
            let nothing = || EngineError::input("there is no release in this project yet", "make one: `relrun apply`");
            let runs = runs.ok_or_else(nothing)?;
            return Ok(Self { runs: Arc::new(runs), blobs: Arc::new(LocalBlobStore::open_read_only(&store_of(folder))) });
        }
        make(folder)?;
        Ok(Self { runs: Arc::new(SqliteRunStore::open(&ledger)?), blobs: Arc::new(LocalBlobStore::open(&store_of(folder))?) })
    }
}

fn ledger_of(folder: &Path) -> PathBuf {
    folder.join("ledger.db")
}

/// Returns the folder of the blob store.
pub(crate) fn store_of(folder: &Path) -> PathBuf {
    folder.join("store")
}

/// Makes `.relrun/`, which git is told to leave alone.
fn make(folder: &Path) -> Result<(), EngineError> {
    if folder.is_dir() {
        return Ok(());
    }
    let failed = |source| EngineError::io(format!("make {}", folder.display()), source);
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::write(folder.join(".gitignore"), "*\n").map_err(failed)
}

/// The nearest folder above with a relrun.kdl, else the git root, else the manifest's folder.
pub(crate) fn root(cli: &Cli, manifest: &Path) -> Result<PathBuf, EngineError> {
    if let Some(project) = &cli.project {
        return project.canonicalize().map_err(|source| EngineError::io(format!("find the project {}", project.display()), source));
    }
    let folder = manifest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|_| {
        EngineError::input(format!("there is no folder {}", folder.display()), "name the manifest: `relrun apply release.kdl`")
    })?;
    let with = |name: &str| folder.ancestors().find(|ancestor| ancestor.join(name).exists()).map(Path::to_path_buf);
    Ok(with("relrun.kdl").or_else(|| with(".git")).unwrap_or(folder))
}

pub(crate) fn bundled() -> Vec<BundledPlugin> {
    let plugin =
        |plugin: &relrun_bundled::Bundled| BundledPlugin { name: plugin.name, bytes: plugin.bytes, digest: Digest::from(plugin.digest) };
    relrun_bundled::all().iter().map(plugin).collect()
}

/// How registries are reached: with docker's credentials, and what relrun.kdl says of them.
pub(crate) fn registries(root: &Path, project: &Project) -> relrun_registry::ClientOptions {
    let proxies = proxies();
    let host = |place: &str| place.strip_prefix("oci://").map(|rest| rest.split('/').next().unwrap_or(rest).to_owned());
    relrun_registry::ClientOptions {
        docker_config: docker_config(),
        ca_files: project.registries.iter().filter_map(|registry| Some(root.join(registry.ca.as_ref()?))).collect(),
        plain_http: project.registries.iter().filter(|registry| registry.plain_http).filter_map(|registry| host(&registry.place)).collect(),
        proxy: Some(Arc::new(move |url: &url::Url| proxies.of_url(url).map_err(|error| error.message))),
        ..relrun_registry::ClientOptions::default()
    }
}

/// Returns the proxies that the variables name: for the gate and for registries the same.
fn proxies() -> relrun_gate::Proxies {
    relrun_gate::Proxies::of_variables(&|name| std::env::var(name).ok())
}

fn docker_config() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker"))).map(|folder| folder.join("config.json"))
}

/// Reads standard input to its end, without the last newline: nobody means it as a part of a secret.
fn read_stdin() -> Result<String, String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err("standard input is a terminal; send the secret into it, as in `op read … | relrun apply`".to_owned());
    }
    let mut text = String::new();
    // One byte more than a secret may have, so that a longer one is refused and not cut.
    stdin
        .lock()
        .take(relrun_engine::LONGEST_SECRET as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("standard input: {error}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The policies of outside the project, the outermost first: the system's, the user's, and the one that a variable names.
fn policies() -> Vec<relrun_engine::PolicyFile> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let usual = [Some(PathBuf::from("/etc/relrun/policy.kdl")), config.map(|config| config.join("relrun/policy.kdl"))];
    let usual = usual.into_iter().flatten().map(|path| relrun_engine::PolicyFile { path, needed: false });
    usual.chain(set("RELRUN_POLICY").map(|path| relrun_engine::PolicyFile { path, needed: true })).collect()
}

/// Where kubectl would look, and what a pod is given.
fn kubernetes_sources() -> relrun_host::ClusterSources {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let text = |name: &str| set(name)?.into_string().ok();
    let files = match set("KUBECONFIG") {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => set("HOME").map(|home| PathBuf::from(home).join(".kube/config")).into_iter().collect(),
    };
    relrun_host::ClusterSources {
        files,
        service: text("KUBERNETES_SERVICE_HOST").zip(text("KUBERNETES_SERVICE_PORT")),
        account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
    }
}

/// Returns the folder for what plugins' builds fetch.
pub(crate) fn tool_cache() -> Result<PathBuf, EngineError> {
    let own = std::env::var_os("RELRUN_CACHE_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    own.or_else(|| user_cache().map(|cache| cache.join("relrun")))
        .ok_or_else(|| EngineError::input("there is no folder to keep fetched tools in", "set HOME, or RELRUN_CACHE_DIR=FOLDER"))
}

fn user_cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))
}

fn actor() -> Actor {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name);
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    Actor {
        user: user.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| nix::unistd::geteuid().to_string()),
        host: host.unwrap_or_else(|| "unknown".to_owned()),
        pid: std::process::id(),
        job: job(),
        person: person(),
    }
}

/// Returns who started the CI job: the user that relrun runs as is the runner's.
fn person() -> Option<String> {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    job()?;
    read("GITHUB_ACTOR").or_else(|| read("GITLAB_USER_LOGIN"))
}

/// Returns the CI job, in the words of the CI system that runs it.
fn job() -> Option<String> {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(repository), Some(run)) = (read("GITHUB_REPOSITORY"), read("GITHUB_RUN_ID")) {
        return Some(format!("github {repository} {run}"));
    }
    read("CI_JOB_URL").or_else(|| read("BUILD_URL"))
}

/// Returns whether a CI system runs this.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Sends what relrun says of itself to standard error: `-v`, `-vv`, or `RELRUN_LOG`.
pub(crate) fn trace(verbose: u8) {
    let usual = match verbose {
        0 => "off",
        1 => "relrun=debug,relrun_engine=debug,relrun_host=debug,relrun_store=debug",
        _ => "trace",
    };
    let wanted = std::env::var("RELRUN_LOG").ok();
    if verbose == 0 && wanted.is_none() {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::try_new(wanted.as_deref().unwrap_or(usual))
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Reads `-i NAME=VALUE`, `-i NAME=@FILE` and `-i @FILE`, a JSON object. One that is named counts more than one in an object; of two alike, the
/// last. What cannot be read is said with all else that is wrong with the inputs.
pub(crate) fn inputs(given: &[String]) -> Given {
    let mut inputs = Given::default();
    let (objects, named): (Vec<&String>, Vec<&String>) = given.iter().partition(|text| text.starts_with('@'));
    for file in objects.into_iter().filter_map(|text| text.strip_prefix('@')) {
        match object(file) {
            Ok(fields) => inputs.values.extend(fields),
            Err(reason) => inputs.unreadable.push(format!("-i @{file}: {reason}")),
        }
    }
    for text in named {
        match input(text) {
            Ok((name, value)) => drop(inputs.values.insert(name, value)),
            Err(reason) => inputs.unreadable.push(reason),
        }
    }
    inputs
}

fn object(file: &str) -> Result<Vec<(String, GivenText)>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| format!("it is no JSON object of inputs: {error}"))?;
    let json = |value: &serde_json::Value| GivenText::Json { file: file.to_owned(), text: value.to_string() };
    Ok(fields.iter().map(|(name, value)| (name.clone(), json(value))).collect())
}

fn input(text: &str) -> Result<(String, GivenText), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("-i {text}: there is no `=` in it; write `-i NAME=VALUE`, `-i NAME=@FILE` or `-i @FILE`"))?;
    let value = match value.strip_prefix('@') {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("-i {name}: {file}: {error}"))?;
            GivenText::Lines(without_last_newline(text))
        }
        None => GivenText::Typed(value.to_owned()),
    };
    Ok((name.to_owned(), value))
}

/// An editor ends a file with a newline that nobody means as a part of the value.
fn without_last_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}
