//! Lays out the private root of a confined command, in the mount namespace of the supervisor. Nothing of it is seen outside, and it is gone with
//! the last process of the namespace.
//!
//! It must never make anything on the host's own file systems, nor follow a symlink on the way to a mount point: what lies in a step's directory
//! may have been put there by an earlier command. So every mount point is walked to by descriptors, and made only in the root's own
//! memory or in the step's private directories.

use crate::error::{ConfineError, HELP_UNCONFINED};
use crate::namespaces;
use crate::plan::{Access, Plan};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::symlinkat;
use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

const NONE: Option<&str> = None;

/// Where the root may be laid out: any directory will do, what lies in it is seen again as soon as the namespace is left.
const BASES: &[&str] = &["/tmp", "/run", "/var", "/mnt"];

/// Lays out the root and returns where it lies.
pub(crate) fn lay_out(plan: &Plan) -> Result<PathBuf, ConfineError> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).map_err(refused("cut the mounts off from the host's"))?;
    // Opened before the base covers what may lie below it.
    let sources = plan.binds.iter().map(|bind| open_source(&bind.source)).collect::<Result<Vec<_>, _>>()?;
    let base = BASES.iter().filter_map(|base| Path::new(base).canonicalize().ok()).find(|base| base.is_dir());
    let base = base.ok_or_else(|| ConfineError::unavailable("there is nowhere to lay out a root", "no /tmp", HELP_UNCONFINED))?;
    mount_memory(&base, "mode=0755,size=16m")?;
    let root = open_directory(&base)?;
    for (bind, source) in plan.binds.iter().zip(&sources) {
        let point = Walk { plan, root: &root }.to(&bind.target, is_directory(&stat(source)?))?;
        bind_at(source, &point).map_err(|errno| ConfineError::path(&bind.target, errno, HELP_UNCONFINED))?;
    }
    add_links(plan, &root)?;
    hide(plan, &root)?;
    add_devices(&root)?;
    restrict(plan, &base)?;
    Ok(base)
}

fn open_source(path: &Path) -> Result<OwnedFd, ConfineError> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| ConfineError::path(path, errno, "see that it exists and that you may enter it"))
}

fn open_directory(path: &Path) -> Result<OwnedFd, ConfineError> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY, Mode::empty()).map_err(refused("open the root"))
}

/// The way to a mount point.
struct Walk<'a> {
    plan: &'a Plan,
    root: &'a OwnedFd,
}

impl Walk<'_> {
    /// Returns the mount point at a path inside, and makes what is missing of it.
    fn to(&self, path: &Path, directory: bool) -> Result<OwnedFd, ConfineError> {
        let failed = |errno: Errno| {
            ConfineError::path(path, errno, "a symlink or a file may be in its way, or a directory that is shown already lacks it")
        };
        let names: Vec<_> =
            path.components().filter_map(|part| if let Component::Normal(name) = part { Some(name) } else { None }).collect();
        let mut at = self.root.try_clone().map_err(|error| ConfineError::machine("copy a descriptor", error))?;
        let mut here = PathBuf::from("/");
        for (index, name) in names.iter().enumerate() {
            let as_directory = directory || index + 1 < names.len();
            if self.may_make_in(&here) {
                make(&at, Path::new(name), as_directory).map_err(failed)?;
            }
            let kind = if as_directory { OFlag::O_DIRECTORY } else { OFlag::empty() };
            at = openat(&at, *name, OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | kind, Mode::empty()).map_err(failed)?;
            here.push(name);
        }
        Ok(at)
    }

    fn may_make_in(&self, directory: &Path) -> bool {
        self.plan.around(directory).is_none_or(|bind| bind.access == Access::Private)
    }
}

fn make(at: &OwnedFd, name: &Path, directory: bool) -> Result<(), Errno> {
    let made = if directory {
        mkdirat(at, name, Mode::from_bits_truncate(0o755))
    } else {
        openat(at, name, OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_WRONLY, Mode::from_bits_truncate(0o644)).map(drop)
    };
    match made {
        Err(Errno::EEXIST) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A descriptor's name for `mount`, which knows only paths.
fn name_of(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

fn bind_at(source: &OwnedFd, point: &OwnedFd) -> Result<(), Errno> {
    // Recursive, because the kernel refuses to show what a mount of a more privileged namespace covers.
    mount(Some(&name_of(source)), &name_of(point), NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
}

fn mount_memory(at: &Path, options: &str) -> Result<(), ConfineError> {
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options))
        .map_err(refused("mount a file system in memory"))
}

fn add_links(plan: &Plan, root: &OwnedFd) -> Result<(), ConfineError> {
    let fixed = [
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
    ];
    let fixed = fixed.iter().map(|(link, to)| (Path::new(link), Path::new(to)));
    let planned = plan.links.iter().map(|(link, to)| (link.strip_prefix("/").unwrap_or(link), to.as_path()));
    for (link, to) in planned.chain(fixed) {
        match symlinkat(to, root, link) {
            // A grant below a linked directory (`/bin/tool` where `/bin` is a symlink) has made it a directory of its own.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(refused("lay out the root")(errno)),
        }
    }
    Ok(())
}

fn hide(plan: &Plan, root: &OwnedFd) -> Result<(), ConfineError> {
    for path in &plan.hidden {
        // It is there, and found whatever it is.
        let point = Walk { plan, root }.to(path, false)?;
        if is_directory(&stat(&point)?) {
            mount(
                Some("tmpfs"),
                &name_of(&point),
                Some("tmpfs"),
                MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_RDONLY,
                Some("mode=0555,size=4k"),
            )
        } else {
            bind_at(&open_source(Path::new("/dev/null"))?, &point)
        }
        .map_err(|errno| ConfineError::path(path, errno, HELP_UNCONFINED))?;
    }
    Ok(())
}

fn add_devices(root: &OwnedFd) -> Result<(), ConfineError> {
    let directory = Mode::from_bits_truncate(0o755);
    for name in ["dev/shm", "proc"] {
        mkdirat(root, name, directory).map_err(refused("lay out the root"))?;
    }
    let shared = openat(root, "dev/shm", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(refused("lay out the root"))?;
    mount_memory(&name_of(&shared), "mode=1777,size=64m")
}

/// Takes from every mount below the base what its access does not give. Each needs a call of its own, and has to keep the flags that it has:
/// the kernel lets nobody drop those of a more privileged namespace.
fn restrict(plan: &Plan, base: &Path) -> Result<(), ConfineError> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|error| ConfineError::machine("read the mounts", error))?;
    for Mount { point, flags: has, .. } in below(table.lines().filter_map(Mount::parse).collect(), base) {
        let Ok(inside) = point.strip_prefix(base) else { continue };
        let Some(bind) = plan.around(&Path::new("/").join(inside)) else { continue };
        let wants = has | wanted(bind.access);
        if wants != has {
            mount(NONE, &point, NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | wants, NONE)
                .map_err(|errno| ConfineError::path(&bind.target, errno, HELP_UNCONFINED))?;
        }
    }
    Ok(())
}

/// Returns the mounts of the tree whose root was mounted last at `base`: what the base covers lies at the same places.
fn below(mounts: Vec<Mount>, base: &Path) -> Vec<Mount> {
    let Some(root) = mounts.iter().rfind(|mount| mount.point == base).map(|mount| mount.id) else { return Vec::new() };
    let parents: HashMap<u64, u64> = mounts.iter().map(|mount| (mount.id, mount.parent)).collect();
    let lies_below =
        |mount: &Mount| std::iter::successors(Some(mount.id), |id| parents.get(id).copied()).take(parents.len()).any(|id| id == root);
    mounts.into_iter().filter(lies_below).collect()
}

fn wanted(access: Access) -> MsFlags {
    match access {
        Access::Read => MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_RDONLY,
        Access::Write | Access::Private => MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Access::Device => MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
    }
}

/// A line of `mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    parent: u64,
    point: PathBuf,
    flags: MsFlags,
}

impl Mount {
    /// Reads a line (`proc_pid_mountinfo(5)`).
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (id, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let point = unescape(words.nth(2)?);
        Some(Self { id, parent, point, flags: flags_of(words.next()?) })
    }
}

fn flags_of(options: &str) -> MsFlags {
    let flag = |option| match option {
        "ro" => MsFlags::MS_RDONLY,
        "nosuid" => MsFlags::MS_NOSUID,
        "nodev" => MsFlags::MS_NODEV,
        "noexec" => MsFlags::MS_NOEXEC,
        "noatime" => MsFlags::MS_NOATIME,
        "nodiratime" => MsFlags::MS_NODIRATIME,
        "relatime" => MsFlags::MS_RELATIME,
        _ => MsFlags::empty(),
    };
    let flags: MsFlags = options.split(',').map(flag).collect();
    if flags.intersects(MsFlags::MS_NOATIME | MsFlags::MS_RELATIME) { flags } else { flags | MsFlags::MS_STRICTATIME }
}

/// Undoes the octal escapes of blanks, tabs, newlines and backslashes.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal =
            tail.first_chunk::<3>().filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn stat(descriptor: &OwnedFd) -> Result<FileStat, ConfineError> {
    fstat(descriptor).map_err(refused("look at a path"))
}

fn is_directory(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

fn refused(doing: &str) -> impl Fn(Errno) -> ConfineError {
    let what = format!("the machine does not let relrun {doing}");
    move |errno| ConfineError::unavailable(&what, errno, &namespaces::help(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Mount {
        Mount::parse(line).unwrap()
    }

    #[test]
    fn a_line_of_mountinfo_gives_place_and_flags() {
        let mount = parsed(r"36 35 98:0 /mnt1 /mnt/with\040blank rw,noatime,nodev master:1 - ext3 /dev/root rw,errors=continue");
        assert_eq!(mount, Mount { id: 36, parent: 35, point: "/mnt/with blank".into(), flags: MsFlags::MS_NOATIME | MsFlags::MS_NODEV });
        assert_eq!(parsed("36 35 98:0 / / ro,nosuid - x x ro").flags, MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME);
        assert_eq!(Mount::parse("nonsense"), None);
    }

    #[test]
    fn what_the_base_covers_is_left_alone() {
        let lines = [
            "1 0 0:1 / / rw - x x rw",
            "2 1 0:2 / /tmp/old rw - x x rw",
            "3 1 0:3 / /tmp rw - x x rw",
            "4 3 0:4 / /tmp/usr rw - x x rw",
            "5 4 0:5 / /tmp/usr/x rw - x x rw",
        ];
        let found = below(lines.into_iter().map(parsed).collect(), Path::new("/tmp"));
        assert_eq!(found.iter().map(|mount| mount.id).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
