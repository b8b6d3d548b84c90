//! Enters new namespaces. Every uid and gid keeps its number, so that files are owned inside by whom they are owned outside.

use crate::error::{ConfineError, HELP_UNCONFINED};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::fs;
use std::path::Path;

/// Settings by which systems refuse user namespaces, the value that refuses, and what to type.
const SWITCHES: &[(&str, &str, &str)] = &[
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
];

/// Enters new user, mount, process, IPC, host name and (unless it is granted) network namespaces. The calling process must have one thread. Its next child is
/// process 1 of the new process namespace.
pub(crate) fn enter(network: bool) -> Result<(), ConfineError> {
    let (uid, gid) = (geteuid(), getegid());
    let (uids, gids) = (identity("/proc/self/uid_map")?, identity("/proc/self/gid_map")?);
    let mut flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if !network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags).map_err(|errno| ConfineError::unavailable("namespaces are refused", errno, &help(errno)))?;
    map("/proc/self/uid_map", &uids, uid.as_raw())?;
    map("/proc/self/gid_map", &gids, gid.as_raw())
}

/// Returns what to type so that namespaces are to be had.
pub(crate) fn help(errno: Errno) -> String {
    if errno == Errno::ENOSYS {
        return format!("this kernel has no namespaces; {HELP_UNCONFINED}");
    }
    refused_by().map_or_else(
        || format!("in a container, start it with a seccomp profile that allows `unshare`; {HELP_UNCONFINED}"),
        |(setting, command)| format!("{setting} refuses them: `{command}`; or {HELP_UNCONFINED}"),
    )
}

/// Returns the setting of this machine that refuses user namespaces, and what to type.
pub(crate) fn refused_by() -> Option<(&'static str, &'static str)> {
    let refuses = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    SWITCHES.iter().find(|(path, value, _)| refuses(path, value)).map(|(path, _, command)| (*path, *command))
}

/// Returns the map that leaves every id of this namespace as it is: `inside outside count` a line.
fn identity(path: &str) -> Result<String, ConfineError> {
    let own = fs::read_to_string(path).map_err(|error| ConfineError::machine(&format!("read {path}"), error))?;
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{0} {0} {1}\n", words.next()?, words.nth(1)?))
    };
    Ok(own.lines().filter_map(line).collect())
}

/// Maps all ids where that is allowed (to root), else only our own.
fn map(path: &str, all: &str, own: u32) -> Result<(), ConfineError> {
    if fs::write(path, all).is_ok() {
        return Ok(());
    }
    // An ordinary user may map a group only after giving up `setgroups`.
    if Path::new(path).ends_with("gid_map") {
        fs::write("/proc/self/setgroups", "deny")
            .map_err(|error| ConfineError::unavailable("setgroups cannot be given up", error, HELP_UNCONFINED))?;
    }
    let help = refused_by().map_or_else(|| HELP_UNCONFINED.to_owned(), |(setting, command)| format!("{setting} refuses it: `{command}`"));
    fs::write(path, format!("{own} {own} 1\n")).map_err(|error| ConfineError::unavailable("user ids cannot be mapped", error, &help))
}

/// What process 1 needs to finish the root and then to give everything up; an ordinary user's would end with `execve` if they were not ambient.
pub(crate) fn keep_for_process_1() -> Result<(), ConfineError> {
    let kept = CapabilitySet::SYS_ADMIN | CapabilitySet::SETPCAP;
    let failed = |error| ConfineError::unavailable("capabilities cannot be kept", error, HELP_UNCONFINED);
    let sets = rustix::thread::capabilities(None).map_err(failed)?;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable: kept, ..sets }).map_err(failed)?;
    kept.iter().try_for_each(|capability| rustix::thread::configure_capability_in_ambient_set(capability, true)).map_err(failed)
}
