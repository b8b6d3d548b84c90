//! Paths that a guest named, resolved by the kernel below one directory: no `..`, no link and no race leads out of it.
//!
//! What must never be done here: resolve a path by hand, or open what a guest named by its path on this machine.

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, openat2, statat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// What a link that leads out means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// It is refused: for the folders of a step.
    Refused,
    /// It ends at the root, as in a chroot: for a directory that stands for a host.
    Held,
}

/// A directory below which paths are resolved.
pub(crate) struct Root {
    dir: OwnedFd,
    links: Links,
}

impl Root {
    /// Opens the directory itself, by a path that the user or the engine chose.
    pub(crate) fn open(path: &Path, links: Links) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { dir: rustix::fs::open(path, flags, Mode::empty())?, links })
    }

    /// Opens what is at a path.
    pub(crate) fn at(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let relative = path.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        let held = match self.links {
            Links::Refused => ResolveFlags::BENEATH,
            Links::Held => ResolveFlags::IN_ROOT,
        };
        for _ in 0..64 {
            // EAGAIN: something on the way was renamed meanwhile.
            match openat2(&self.dir, relative, flags | OFlags::CLOEXEC, mode, held | ResolveFlags::NO_MAGICLINKS) {
                Err(Errno::AGAIN) => {}
                done => return Ok(done?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens a directory.
    pub(crate) fn dir(&self, path: &str) -> io::Result<OwnedFd> {
        self.at(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
    }

    /// Opens the directory that a path's last name is in. The name is not resolved: it may be a link, or nothing.
    pub(crate) fn parent(&self, path: &str) -> io::Result<(OwnedFd, OsString)> {
        let (above, name) = split(path)?;
        Ok((self.dir(&above)?, name))
    }

    /// Makes a directory and its parents, where they are not there; opens it.
    pub(crate) fn make_dirs(&self, path: &str) -> io::Result<OwnedFd> {
        match self.dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        let mut made = String::new();
        for part in normal(path)? {
            made = format!("{made}/{part}");
            if let Err(error) = self.dir(&made) {
                if error.kind() != io::ErrorKind::NotFound {
                    return Err(error);
                }
                let (parent, name) = self.parent(&made)?;
                match mkdirat(&parent, &name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.dir(path)
    }
}

/// Returns a path of an open directory, for code that takes paths. Lives as long as the descriptor.
pub(crate) fn path_of(dir: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/.", dir.as_raw_fd()))
}

/// Returns whether a name is there, a link being something.
pub(crate) fn exists(dir: &OwnedFd, name: &OsString) -> io::Result<bool> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn split(path: &str) -> io::Result<(String, OsString)> {
    let mut parts = normal(path)?;
    let name = parts.pop().ok_or_else(|| invalid("it names no entry of a directory"))?;
    Ok((format!("/{}", parts.join("/")), OsString::from(name)))
}

/// Returns a path's names. One with `..` is refused: what it means depends on links.
fn normal(path: &str) -> io::Result<Vec<&str>> {
    let part = |component| match component {
        Component::Normal(name) => name.to_str().map(Some).ok_or_else(|| invalid("it is not UTF-8")),
        Component::RootDir | Component::CurDir => Ok(None),
        Component::ParentDir | Component::Prefix(_) => Err(invalid("`..` may not stand in it")),
    };
    Path::new(path).components().map(part).filter_map(Result::transpose).collect()
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("root/a")).expect("made");
        std::fs::write(dir.path().join("secret"), "x").expect("written");
        std::fs::write(dir.path().join("root/a/f"), "f").expect("written");
        symlink("../../secret", dir.path().join("root/a/out")).expect("linked");
        symlink("/a", dir.path().join("root/absolute")).expect("linked");
        dir
    }

    fn read(root: &Root, path: &str) -> io::Result<String> {
        io::read_to_string(std::fs::File::from(root.at(path, OFlags::RDONLY, Mode::empty())?))
    }

    #[test]
    fn nothing_leads_out_of_a_step_folder() {
        let dir = tree();
        let root = Root::open(&dir.path().join("root"), Links::Refused).expect("opens");
        assert_eq!(read(&root, "/a/f").expect("is there"), "f");
        for path in ["a/out", "../secret", "/../secret", "absolute/f", "a/../../secret"] {
            assert!(read(&root, path).is_err(), "{path}");
        }
        assert!(root.make_dirs("a/../../x").is_err());
        assert!(root.parent("..").is_err() && root.parent("/").is_err());
    }

    #[test]
    fn a_host_is_its_own_root() {
        let dir = tree();
        let root = Root::open(&dir.path().join("root"), Links::Held).expect("opens");
        assert_eq!(read(&root, "/absolute/f").expect("is there"), "f");
        assert_eq!(read(&root, "/a/out").expect_err("nothing is there").kind(), io::ErrorKind::NotFound);
        root.make_dirs("/absolute/b/c").expect("made");
        assert!(dir.path().join("root/a/b/c").is_dir());
    }
}
