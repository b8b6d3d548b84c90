//! What process 1 takes from itself before it starts the command: capabilities, paths, calls and resources. None of it can be taken back.

use crate::error::{ConfineError, HELP_UNCONFINED};
use crate::spec::Limits;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, path_beneath_rules,
};
use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The newest rules of Landlock that this code knows; an older kernel applies those that it has.
const NEWEST: ABI = ABI::V7;

/// Calls that no build and no deployment needs, and that reach the kernel's less guarded parts, or what namespaces do not divide.
const REFUSED_CALLS: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// Gives up every capability, for good: an empty bounding set leaves nothing for a program of root's to be born with.
pub(crate) fn drop_capabilities() -> Result<(), ConfineError> {
    let failed = |error| ConfineError::unavailable("capabilities cannot be given up", error, HELP_UNCONFINED);
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // Past the kernel's last one.
            Err(rustix::io::Errno::INVAL) => break,
            result => result.map_err(failed)?,
        }
    }
    rustix::thread::clear_ambient_capability_set().map_err(failed)?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).map_err(failed)?;
    nix::sys::prctl::set_no_new_privs().map_err(|errno| ConfineError::unavailable("no_new_privs cannot be set", errno, HELP_UNCONFINED))
}

/// Holds this process and all that come from it to reading, and to writing where that is allowed; to no TCP unless the network is granted; and keeps its signals and abstract
/// sockets among themselves.
pub(crate) fn landlock(writable: &[PathBuf], network: bool) -> Result<(), ConfineError> {
    let help = format!("Landlock needs Linux 5.13 or newer, with `landlock` in the kernel's `lsm=` list; {HELP_UNCONFINED}");
    let failed = |error: RulesetError| ConfineError::unavailable("Landlock is not to be had", error, &help);
    let status = rules(writable, network).map_err(failed)?;
    // Hard requirements have failed already; this is for a crate that changes its mind.
    if status == RulesetStatus::NotEnforced {
        return Err(ConfineError::unavailable("Landlock is not to be had", "nothing was enforced", &help));
    }
    Ok(())
}

fn rules(writable: &[PathBuf], network: bool) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(NEWEST);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?;
    if !network {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let devices = AccessFs::from_read(NEWEST) | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let created = rules
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::from_read(NEWEST)))?
        .add_rules(path_beneath_rules(["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"], devices))?
        .add_rules(path_beneath_rules(["/dev/shm"], all))?
        .add_rules(path_beneath_rules(writable, all))?;
    Ok(created.restrict_self()?.ruleset)
}

/// Refuses system calls. Mind the two answers: "not permitted" for what is refused, "no such call" for `clone3`, whose flags a filter cannot see, so that
/// the C library falls back to `clone`.
pub(crate) fn seccomp() -> Result<(), ConfineError> {
    let failed = |error: &dyn std::fmt::Display| ConfineError::unavailable("system calls cannot be filtered", error, HELP_UNCONFINED);
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED_CALLS.iter().flat_map(|&call| numbers(call)).map(|call| (call, Vec::new())).collect();
    for call in numbers(libc::SYS_clone) {
        refused.insert(call, new_user_namespace().map_err(|error| failed(&error))?);
    }
    let absent = numbers(libc::SYS_clone3).into_iter().map(|call| (call, Vec::new())).collect();
    for (calls, errno) in [(absent, Errno::ENOSYS), (refused, Errno::EPERM)] {
        let filter = filter(calls, errno).map_err(|error| failed(&error))?;
        seccompiler::apply_filter(&filter).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// A call's number, and on x86-64 its number in the x32 way of calling.
fn numbers(call: i64) -> Vec<i64> {
    if cfg!(target_arch = "x86_64") { vec![call, call | 0x4000_0000] } else { vec![call] }
}

/// A new user namespace would give its maker every capability in it.
fn new_user_namespace() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let flag = libc::CLONE_NEWUSER.unsigned_abs().into();
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

fn filter(calls: BTreeMap<i64, Vec<SeccompRule>>, errno: Errno) -> Result<BpfProgram, seccompiler::BackendError> {
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno((errno as i32).unsigned_abs()), architecture)?.try_into()
}

/// Sets the limits that a process hands down. A command never dumps core.
pub(crate) fn limit(limits: &Limits) -> Result<(), ConfineError> {
    let wanted = [
        (Resource::RLIMIT_CORE, Some(0)),
        (Resource::RLIMIT_CPU, limits.cpu_seconds),
        (Resource::RLIMIT_FSIZE, limits.file_size),
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_AS, limits.address_space),
    ];
    for (resource, value) in wanted {
        let Some(value) = value else { continue };
        let failed = |errno| ConfineError::machine(&format!("limit {resource:?} to {value}"), errno);
        let (_, hard) = getrlimit(resource).map_err(failed)?;
        let value = if hard == RLIM_INFINITY { value } else { value.min(hard) };
        setrlimit(resource, value, value).map_err(failed)?;
    }
    Ok(())
}
