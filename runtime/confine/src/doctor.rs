//! Says what this machine can hold, for `relrun doctor`. It only looks; [`crate::Launcher::probe`] tries.

use crate::namespaces;
use landlock::{LandlockStatus, RestrictSelf};
use std::path::Path;

/// One thing that confinement needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What: `user namespaces`.
    pub what: &'static str,
    /// Whether it is there.
    pub works: bool,
    /// What was seen.
    pub detail: String,
    /// What to type, where it is not there.
    pub help: Option<String>,
}

/// Looks at what confinement needs of this machine.
pub fn doctor() -> Vec<Finding> {
    vec![user_namespaces(), landlock(), filters()]
}

fn user_namespaces() -> Finding {
    let what = "user namespaces";
    if let Some((setting, command)) = namespaces::refused_by() {
        return Finding { what, works: false, detail: format!("refused by {setting}"), help: Some(command.to_owned()) };
    }
    let works = Path::new("/proc/self/ns/user").exists();
    let help = (!works).then(|| "take a kernel with CONFIG_USER_NS".to_owned());
    Finding { what, works, detail: if works { "no setting refuses them" } else { "not in this kernel" }.to_owned(), help }
}

fn landlock() -> Finding {
    let help = "take Linux 5.13 or newer with `landlock` in its `lsm=` list (`cat /sys/kernel/security/lsm`)".to_owned();
    let missing = |detail: &str| Finding { what: "Landlock", works: false, detail: detail.to_owned(), help: Some(help.clone()) };
    // Asks for nothing, and so changes nothing: the crate has no other way to read the version.
    match RestrictSelf::default().no_new_privs(false).apply().map(|status| status.landlock) {
        Ok(LandlockStatus::Available { effective_abi, .. }) => {
            Finding { what: "Landlock", works: true, detail: format!("version {}", effective_abi as i32), help: None }
        }
        Ok(LandlockStatus::NotEnabled) => missing("in this kernel, but not enabled"),
        Ok(_) => missing("not in this kernel"),
        Err(error) => missing(&error.to_string()),
    }
}

fn filters() -> Finding {
    let works =
        Path::new("/proc/sys/kernel/seccomp/actions_avail").exists() && seccompiler::TargetArch::try_from(std::env::consts::ARCH).is_ok();
    let help = (!works).then(|| "take a kernel with CONFIG_SECCOMP_FILTER, on x86-64, arm64 or riscv64".to_owned());
    Finding { what: "system call filters", works, detail: if works { "seccomp" } else { "not on this machine" }.to_owned(), help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_changes_nothing_and_what_is_missing_comes_with_help() {
        let findings = doctor();
        assert_eq!(findings.iter().map(|finding| finding.what).collect::<Vec<_>>(), ["user namespaces", "Landlock", "system call filters"]);
        for finding in findings {
            assert_eq!(finding.works, finding.help.is_none(), "{finding:?}");
        }
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.contains("NoNewPrivs:\t0") || !status.contains("Seccomp_filters:\t0"), "{status}");
    }
}
