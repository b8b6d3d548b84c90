//! Decides what a confined command sees, before anything is changed: which host path is shown where, and how. Pure but for looking at paths.

use crate::error::ConfineError;
use crate::spec::{Mode, Spec, View};
use std::path::{Component, Path, PathBuf};

/// Directories of the system's own programs and libraries. A symlink among them (`/bin` → `usr/bin`) is shown as one.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"];

/// What programs need of `/etc`. Nothing that holds a secret on any system known: no `shadow`, no private keys, no host keys, no tool's credentials.
const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "group",
    "host.conf",
    "inputrc",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "perl",
    "pki/ca-trust",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "profile",
    "protocols",
    "python3",
    "rpc",
    "services",
    "shells",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "xattr.conf",
];

/// What a command that may reach the network needs besides.
const ETC_NETWORK: &[&str] = &["gai.conf", "hosts", "resolv.conf"];

/// The harmless devices.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Where the kernel speaks. Nobody is granted these.
const KERNEL: &[&str] = &["/proc", "/sys", "/dev"];

/// How something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read-only.
    Read,
    /// Read and write.
    Write,
    /// Read and write, and the step's own: mount points may be made in it.
    Private,
    /// A device node.
    Device,
}

/// One host path shown at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    /// On the host.
    pub(crate) source: PathBuf,
    /// Inside, absolute.
    pub(crate) target: PathBuf,
    /// How.
    pub(crate) access: Access,
}

/// All that a command sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Outer ones before what lies in them.
    pub(crate) binds: Vec<Bind>,
    /// Symlinks: where, and what they say.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// What is covered by something empty.
    pub(crate) hidden: Vec<PathBuf>,
    /// Where the command starts.
    pub(crate) cwd: PathBuf,
}

impl Plan {
    /// Plans a confined command; `None` for one that is not confined.
    pub(crate) fn of(spec: &Spec) -> Result<Option<Self>, ConfineError> {
        let (view, tree, cwd) = match &spec.mode {
            Mode::Unconfined { .. } => return Ok(None),
            Mode::Confined { view, dir } => (view, None, Path::new("/work").join(inside(dir)?)),
            Mode::InPlace { view, tree, dir } => (view, Some(tree), tree.join(inside(dir)?)),
        };
        let mut plan = Self { cwd, ..Self::default() };
        plan.add_step(view);
        plan.add_grants(view, tree)?;
        plan.add_system(spec.network);
        plan.add_program(&spec.program)?;
        // Stable: of two at one place, the one that was added first lies below.
        plan.binds.sort_by_key(|bind| bind.target.components().count());
        plan.hidden = view.hide.iter().filter_map(|path| path.canonicalize().ok()).flat_map(|real| plan.places_of(&real)).collect();
        Ok(Some(plan))
    }

    /// Returns the innermost bind round a path inside.
    pub(crate) fn around(&self, path: &Path) -> Option<&Bind> {
        self.binds.iter().filter(|bind| path.starts_with(&bind.target)).max_by_key(|bind| bind.target.components().count())
    }

    /// Returns all places that may be written.
    pub(crate) fn writable(&self) -> Vec<PathBuf> {
        self.binds.iter().filter(|bind| matches!(bind.access, Access::Write | Access::Private)).map(|bind| bind.target.clone()).collect()
    }

    fn add_step(&mut self, view: &View) {
        self.add(view.root.join("in"), "/in", Access::Read);
        for name in ["out", "tmp", "work"] {
            self.add(view.root.join(name), Path::new("/").join(name), Access::Private);
        }
    }

    fn add_grants(&mut self, view: &View, tree: Option<&PathBuf>) -> Result<(), ConfineError> {
        for path in &view.read {
            self.add_grant(path, Access::Read)?;
        }
        for path in view.write.iter().chain(tree) {
            self.add_grant(path, Access::Write)?;
        }
        Ok(())
    }

    /// Shows a path at its own place, and at its real place too where there is a symlink on the way: programs ask for both.
    fn add_grant(&mut self, path: &Path, access: Access) -> Result<(), ConfineError> {
        let real = path.canonicalize().map_err(|error| ConfineError::path(path, error, "make it first, or take it out of the grant"))?;
        for place in [path, &real] {
            check_place(place)?;
        }
        if path != real {
            self.add_once(real.clone(), path.to_owned(), access);
        }
        self.add_once(real.clone(), real, access);
        Ok(())
    }

    fn add_system(&mut self, network: bool) {
        for path in SYSTEM.iter().map(Path::new) {
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_symlink() => self.links.extend(path.read_link().ok().map(|to| (path.to_owned(), to))),
                Ok(_) => self.add_if_new(path, Access::Read),
                Err(_) => {}
            }
        }
        let etc = ETC.iter().chain(if network { ETC_NETWORK } else { &[] });
        for path in etc.map(|name| Path::new("/etc").join(name)) {
            self.add_if_new(&path, Access::Read);
        }
        for path in DEVICES.iter().map(Path::new) {
            self.add_if_new(path, Access::Device);
        }
    }

    /// The grant to run a program is one to read its file.
    fn add_program(&mut self, program: &Path) -> Result<(), ConfineError> {
        let failed = |error| ConfineError::Start {
            program: program.to_owned(),
            reason: format!("{error}"),
            help: "it was there when it was looked up; find out what removed it".to_owned(),
        };
        let real = program.canonicalize().map_err(failed)?;
        for place in [program, &real] {
            if !self.shows(place, &real) && !self.links.iter().any(|(link, _)| place.starts_with(link)) {
                check_place(place)?;
                self.add(real.clone(), place, Access::Read);
            }
        }
        Ok(())
    }

    /// Returns every place at which a host path would be seen, whatever symlinks led to it.
    fn places_of(&self, real: &Path) -> Vec<PathBuf> {
        self.binds.iter().filter_map(|bind| Some(bind.target.join(real.strip_prefix(&bind.source).ok()?))).collect()
    }

    /// Whether a place is shown already, and as the file that it is on the host: the step's own `/tmp` is not the host's.
    fn shows(&self, place: &Path, real: &Path) -> bool {
        let on_host = |bind: &Bind| bind.source.join(place.strip_prefix(&bind.target).ok()?).canonicalize().ok();
        self.around(place).and_then(on_host).is_some_and(|path| path == real)
    }

    fn covers(&self, path: &Path) -> bool {
        self.around(path).is_some()
    }

    /// What a grant shows already is not shown again: its mount point may lie where nothing may be made.
    fn add_if_new(&mut self, path: &Path, access: Access) {
        if !self.covers(path)
            && let Ok(real) = path.canonicalize()
        {
            self.add(real, path, access);
        }
    }

    /// A later grant of the same place wins: `write` over `read`.
    fn add_once(&mut self, source: PathBuf, target: PathBuf, access: Access) {
        self.binds.retain(|bind| bind.target != target);
        self.add(source, target, access);
    }

    fn add(&mut self, source: impl Into<PathBuf>, target: impl Into<PathBuf>, access: Access) {
        self.binds.push(Bind { source: source.into(), target: target.into(), access });
    }
}

/// Refuses what is relative or climbs, what would show the whole machine or the kernel's own trees, and what would lie on a private directory.
fn check_place(path: &Path) -> Result<(), ConfineError> {
    let plain = path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain {
        return Err(ConfineError::path(path, "it is no plain absolute path", "write it without `..`"));
    }
    if path == Path::new("/") || KERNEL.iter().any(|kernel| path.starts_with(kernel)) {
        return Err(ConfineError::path(
            path,
            "it would show the whole machine, or the kernel's own files",
            "grant the directory that is needed",
        ));
    }
    if ["/in", "/out", "/tmp", "/work"].iter().any(|own| path == Path::new(own)) {
        return Err(ConfineError::path(path, "the step's own directory is shown there", "grant a directory below it"));
    }
    Ok(())
}

/// Returns a relative path that does not climb.
fn inside(dir: &Path) -> Result<&Path, ConfineError> {
    if dir.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        Ok(dir)
    } else {
        Err(ConfineError::path(dir, "the working directory leaves the tree", "write it relative to the tree, without `..`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Limits;

    fn spec(mode: Mode) -> Spec {
        Spec {
            program: "/bin/sh".into(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            mode,
            network: false,
            limits: Limits::default(),
        }
    }

    fn confined(view: View) -> Result<Plan, ConfineError> {
        Plan::of(&spec(Mode::Confined { view, dir: PathBuf::new() })).map(Option::unwrap)
    }

    #[test]
    fn grants_that_show_too_much_or_lie_on_the_steps_own_directories_are_refused() {
        let step = tempfile::tempdir().unwrap();
        for path in ["/", "/proc", "/proc/self", "/sys", "/dev", "relative", "/usr/../etc", "/tmp", "/no/such/directory"] {
            let view = View { read: vec![path.into()], ..View::new(step.path()) };
            assert!(matches!(confined(view), Err(ConfineError::Path { .. })), "{path}");
        }
    }

    #[test]
    fn a_working_directory_cannot_climb() {
        for dir in ["..", "a/../..", "/etc"] {
            let mode = Mode::Confined { view: View::new("/step"), dir: dir.into() };
            assert!(matches!(Plan::of(&spec(mode)), Err(ConfineError::Path { .. })), "{dir}");
        }
    }

    #[test]
    fn etc_is_shown_without_secrets_and_names_are_resolved_only_with_the_network() {
        let plan = confined(View::new("/step")).unwrap();
        for secret in ["/etc/shadow", "/etc/ssl/private", "/etc/ssh", "/etc/sudoers", "/etc", "/root", "/home", "/etc/resolv.conf"] {
            assert_eq!(plan.around(Path::new(secret)), None, "{secret}");
        }
        assert!(plan.around(Path::new("/etc/passwd")).is_some());
    }

    #[test]
    fn a_hidden_directory_is_hidden_wherever_it_would_be_seen() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("tree/.relrun")).unwrap();
        std::os::unix::fs::symlink("tree", real.join("link")).unwrap();
        let view =
            View { write: vec![real.join("link")], hide: vec![real.join("link/.relrun"), real.join("absent")], ..View::new("/step") };
        let mut hidden = confined(view).unwrap().hidden;
        hidden.sort();
        assert_eq!(hidden, [real.join("link/.relrun"), real.join("tree/.relrun")]);
    }

    #[test]
    fn the_innermost_grant_decides_and_write_wins_over_read() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("inner")).unwrap();
        let view = View { read: vec![real.clone(), real.join("inner")], write: vec![real.join("inner")], ..View::new("/step") };
        let plan = confined(view).unwrap();
        assert_eq!(plan.around(&real.join("x")).unwrap().access, Access::Read);
        assert_eq!(plan.around(&real.join("inner/x")).unwrap().access, Access::Write);
    }
}
