//! From a command that a plugin made to the spec that `relrun-confine` holds: grants, variables, secrets, and where it starts.

use super::hosts::Does;
use super::process::{Command, refused};
use crate::attempt::{Attempt, Files, Mode};
use crate::bindings::types::Error;
use crate::error::CallError;
use crate::files::blocking;
use crate::places;
use crate::remotes::Remote;
use crate::stand_in::CommandStandIn;
use relrun_confine::{Limits, Mode as Held, Spec, View, is_dangerous_variable};
use relrun_ledger::StepKind;
use relrun_manifest::{Capability, Confine, HostAddress, RunGrant};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A command that may be run.
pub(super) struct Prepared {
    /// How it is run here.
    pub(super) spec: Spec,
    /// Whether it is handed a secret.
    pub(super) is_secret: bool,
    /// It itself, where what runs here is an `ssh` that runs it on a host.
    pub(super) remote: Option<Remote>,
}

/// Checks a command and says how it is to be run.
pub(super) async fn prepare(
    attempt: &Attempt,
    files: &Files,
    command: &Command,
    stand_in: Option<&dyn CommandStandIn>,
) -> Result<Prepared, CallError> {
    let is_secret = !command.secret_env.is_empty() || takes_secret(attempt, command)?;
    let grant = granted(attempt, command)?;
    if let Some((name, address)) = behind_ssh(attempt, command)? {
        let (spec, remote) = on_host(attempt, files, command, grant, name, &address).await?;
        return Ok(Prepared { spec, is_secret, remote: Some(remote) });
    }
    Ok(Prepared { spec: here(attempt, files, command, grant, stand_in).await?, is_secret, remote: None })
}

async fn here(
    attempt: &Attempt,
    files: &Files,
    command: &Command,
    grant: &RunGrant,
    stand_in: Option<&dyn CommandStandIn>,
) -> Result<Spec, CallError> {
    let place = place(attempt, files, command, grant)?;
    let env = environment(attempt, files, command)?;
    let stdin = stdin(attempt, command)?;
    if let Some(stand_in) = stand_in {
        attempt.using(&shown(command), None);
        lay_out_work(files).await?;
        return crate::stand_in::spec(stand_in, command, &env, &stdin, &files.dirs.root.join("work"));
    }
    let asked = command.program.clone();
    let program = blocking(move || relrun_confine::resolve(&asked, &[]).map_err(|error| refused(&error))).await?;
    attempt.using(&shown(command), Some(&format!("{} {}", program.path.display(), program.digest.to_hex())));
    lay_out_work(files).await?;
    Ok(Spec {
        program: program.path,
        args: command.args.clone(),
        env,
        stdin,
        mode: place,
        network: grant.network && attempt.kind == StepKind::Effect,
        limits: Limits {
            cpu_seconds: Some(attempt.limits.cpu.as_secs().max(1)),
            file_size: Some(attempt.limits.output),
            processes: Some(4_096),
            open_files: Some(4_096),
            ..Limits::default()
        },
    })
}

/// Finds the grant that covers a command line: of several, one that lets it run as it must. Where nothing may change, only one that says `readonly`.
fn granted<'a>(attempt: &'a Attempt, command: &Command) -> Result<&'a RunGrant, CallError> {
    let matching = || {
        attempt.capabilities.iter().filter_map(|capability| match capability {
            Capability::Run(grant) if grant.matches(command.host.as_deref(), &command.program, &command.args) => Some(grant),
            _ => None,
        })
    };
    let line = shown(command);
    if matching().next().is_none() {
        return Err(attempt.deny(&line, format!("no grant covers this command: add `{line}` to the step's `grant` block")));
    }
    let is_far = attempt
        .hosts
        .iter()
        .any(|host| command.host.as_deref() == Some(&host.name.value) && matches!(host.address.value, HostAddress::Ssh(_)));
    let allowed = || matching().filter(|grant| attempt.mode == Mode::Full || grant.readonly);
    // One that would have it confined, where nobody can, says by its own words what is missing.
    let fits = allowed().find(|grant| !is_far || grant.confine == Confine::None).or_else(|| allowed().next());
    let reason = format!("`plan` and `verify` run only what is granted with `readonly=#true`: {line}");
    fits.ok_or_else(|| attempt.deny(&line, reason))
}

/// Returns the command as the line that would grant it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(&command.program).chain(&command.args);
    let line = words.fold("run".to_owned(), |line, word| format!("{line} {word:?}"));
    match &command.host {
        Some(host) => format!("{line} on={host:?}"),
        None => line,
    }
}

fn place(attempt: &Attempt, files: &Files, command: &Command, grant: &RunGrant) -> Result<Held, CallError> {
    let dirs = &files.dirs;
    let work = dirs.root.join("work");
    let (tree, dir) = match &command.host {
        Some(host) => (Some(host_dir(attempt, files, host)?), relative(command, "/")?),
        None if grant.in_place => (Some(dirs.work_tree.clone()), relative(command, "/work")?),
        None => (None, relative(command, "/work")?),
    };
    if grant.confine == Confine::None {
        return Ok(Held::Unconfined { dir: tree.unwrap_or(work).join(dir) });
    }
    let view = view(attempt, files);
    Ok(match tree {
        Some(tree) => Held::InPlace { view, tree, dir },
        None => Held::Confined { view, dir },
    })
}

fn host_dir(attempt: &Attempt, files: &Files, name: &str) -> Result<PathBuf, CallError> {
    // A command that `plan` may run was granted as `readonly`, so it is a look at the host.
    let host = attempt.host("process.run", name, Does::Look)?;
    match &host.address.value {
        HostAddress::Local(path) => Ok(files.dirs.work_tree.join(path)),
        HostAddress::Ssh(address) => Err(CallError::invalid(format!("the host {name} is {address}, and no directory of this machine"))),
    }
}

/// Returns the host of a command and its address, where it is behind SSH.
fn behind_ssh<'a>(attempt: &Attempt, command: &'a Command) -> Result<Option<(&'a str, String)>, CallError> {
    let Some(name) = &command.host else { return Ok(None) };
    Ok(match &attempt.host("process.run", name, Does::Look)?.address.value {
        HostAddress::Local(_) => None,
        HostAddress::Ssh(address) => Some((name, address.clone())),
    })
}

/// Makes the spec of the `ssh` that runs a command on a host. Nobody can hold it there, so that its grant must say so.
async fn on_host(
    attempt: &Attempt,
    files: &Files,
    command: &Command,
    grant: &RunGrant,
    name: &str,
    address: &str,
) -> Result<(Spec, Remote), CallError> {
    if grant.confine != Confine::None {
        let line = format!("{} confine=\"none\"", shown(command));
        let reason = format!("a command on {name} cannot be confined, because {name} is behind SSH: grant it with `{line}`");
        return Err(attempt.deny(&line, reason));
    }
    let env = plain_environment(attempt, files, command)?.into_iter().collect();
    let secret_env = secrets(attempt, command)?;
    let link = attempt.stop.race(places::link(&attempt.ssh, address)).await?;
    let argv: Vec<String> = std::iter::once(&command.program).chain(&command.args).cloned().collect();
    let token = relrun_ssh::token();
    let remote = relrun_ssh::Remote {
        argv: argv.clone(),
        dir: command.dir.clone(),
        env,
        secret_env,
        stdin: stdin(attempt, command)?,
        token: Some(token.clone()),
    };
    let called = link.command(&remote)?;
    let program = blocking(|| relrun_confine::resolve("ssh", &[]).map_err(|error| refused(&error))).await?;
    attempt.using(&shown(command), Some(&format!("on {name} ({address})")));
    let spec = Spec {
        program: program.path,
        args: called.args,
        env: Vec::new(),
        stdin: called.stdin,
        mode: Held::Unconfined { dir: files.dirs.root.clone() },
        network: true,
        limits: Limits::default(),
    };
    let remote = attempt.remotes.begin(token, name, address, argv.join(" "), link);
    Ok((spec, remote.ok_or(CallError::Told(Error::Cancelled))?))
}

/// Returns where a command starts, relative to the directory that stands at `base`.
fn relative(command: &Command, base: &str) -> Result<PathBuf, CallError> {
    let Some(dir) = &command.dir else { return Ok(PathBuf::new()) };
    let path = Path::new(dir);
    let path = if path.is_absolute() { path.strip_prefix(base).ok() } else { Some(path) };
    let normal = |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    path.filter(normal).map(Path::to_owned).ok_or_else(|| CallError::invalid(format!("{dir} is not within {base}, where commands start")))
}

fn view(attempt: &Attempt, files: &Files) -> View {
    let dirs = &files.dirs;
    let mut view = View::new(&dirs.root);
    for capability in &attempt.capabilities {
        match capability {
            Capability::Write(path) if attempt.mode == Mode::Full => view.write.push(dirs.work_tree.join(path)),
            Capability::Read(path) | Capability::Write(path) => view.read.push(dirs.work_tree.join(path)),
            _ => {}
        }
    }
    // The ledger and the store are nobody's to see, wherever the project's root is.
    view.hide.extend(dirs.work_tree.ancestors().map(|above| above.join(".relrun")));
    view
}

fn environment(attempt: &Attempt, files: &Files, command: &Command) -> Result<Vec<(String, String)>, CallError> {
    let mut env = plain_environment(attempt, files, command)?;
    env.extend(secrets(attempt, command)?);
    Ok(env.into_iter().collect())
}

/// Returns the variables of a command that hold no secrets: those that were granted, and its own over them.
fn plain_environment(attempt: &Attempt, files: &Files, command: &Command) -> Result<BTreeMap<String, String>, CallError> {
    let mut env = files.env.clone();
    for (name, value) in &command.env {
        let granted = attempt.capabilities.iter().any(|capability| matches!(capability, Capability::Env(granted) if granted == name));
        if is_dangerous_variable(name) && !granted {
            let line = format!("env {name:?}");
            let reason = format!("the variable {name} changes what programs load or run: add `{line}` to the step's `grant` block");
            return Err(attempt.deny(&line, reason));
        }
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(CallError::invalid(format!("{name:?} is no variable, or its value holds a NUL")));
        }
        env.insert(name.clone(), value.clone());
    }
    Ok(env)
}

/// Returns the variables of a command that hold secrets, each granted to it by name.
fn secrets(attempt: &Attempt, command: &Command) -> Result<Vec<(String, String)>, CallError> {
    if command.secret_env.is_empty() {
        return Ok(Vec::new());
    }
    attempt.effects_only("secret")?;
    let granted = attempt.access().command_secrets(&command.program).map_err(|error| attempt.gate_error("secret", error))?;
    let mut env = Vec::new();
    for (name, secret) in &command.secret_env {
        let line = format!("secret {secret:?} to-command={:?} env={name:?}", command.program);
        let Some(found) = granted.iter().find(|granted| granted.name == secret && granted.env == Some(name)) else {
            return Err(attempt.deny(&line, format!("no grant covers this use of the secret: add `{line}` to the step's `grant` block")));
        };
        attempt.using(&line, None);
        env.push((name.clone(), found.value.to_owned()));
    }
    Ok(env)
}

/// Returns what a command reads: what the plugin gave it, else a secret that was granted to its standard input.
fn stdin(attempt: &Attempt, command: &Command) -> Result<Vec<u8>, CallError> {
    if let Some(data) = &command.stdin {
        return Ok(data.clone());
    }
    if !takes_secret(attempt, command)? {
        return Ok(Vec::new());
    }
    let granted = attempt.access().command_secrets(&command.program).map_err(|error| attempt.gate_error("secret", error))?;
    let Some(found) = granted.iter().find(|granted| granted.env.is_none()) else { return Ok(Vec::new()) };
    attempt.using(&format!("secret {:?} to-command={:?}", found.name, command.program), None);
    Ok(found.value.as_bytes().to_vec())
}

/// Returns whether a command reads a secret from its standard input.
fn takes_secret(attempt: &Attempt, command: &Command) -> Result<bool, CallError> {
    if command.stdin.is_some() || attempt.kind == StepKind::Pure {
        return Ok(false);
    }
    let granted = attempt.access().command_secrets(&command.program).map_err(|error| attempt.gate_error("secret", error))?;
    Ok(granted.iter().any(|granted| granted.env.is_none()))
}

/// Makes `/work` at the first command: a writable copy of `/in/work`. Never links, because the staged files may be the store's own.
async fn lay_out_work(files: &Files) -> Result<(), CallError> {
    let (from, to) = (files.dirs.root.join("in/work"), files.dirs.root.join("work"));
    let staged = files.dirs.inputs.iter().any(|name| name == "work");
    let lay = || async move {
        blocking(move || {
            let made = std::fs::create_dir_all(&to).and_then(|()| if staged { copy(&from, &to) } else { Ok(()) });
            made.map_err(|error| CallError::permanent(format!("failed to lay out /work: {error}")))
        })
        .await
    };
    files.work.get_or_try_init(lay).await.copied()
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from).map_err(std::io::Error::other)?);
        let kind = entry.file_type();
        if kind.is_dir() {
            std::fs::create_dir_all(&target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
        } else {
            reflink_copy::reflink_or_copy(entry.path(), &target)?;
            let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 }))?;
        }
    }
    Ok(())
}
