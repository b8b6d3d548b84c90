//! The environment of a command: what stands in it by default, and which names change what a program loads or runs.

use crate::spec::{Mode, Spec};

/// Where programs are looked up, and the default `PATH` of every command.
pub const FIXED_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Prefixes of variables that a loader, an interpreter or a tool takes code or options from.
const DANGEROUS_PREFIXES: &[&str] = &[
    "LD_",
    "DYLD_",
    "PYTHON",
    "PERL",
    "RUBY",
    "NODE_",
    "NPM_CONFIG_",
    "npm_config_",
    "BASH_FUNC_",
    "GIT_",
    "GCONV_",
    "MALLOC_",
    "JAVA_",
    "CARGO_",
    "RUSTC",
    "GLIBC_",
];

/// Such variables by name.
const DANGEROUS_NAMES: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "BASH_XTRACEFD",
    "CDPATH",
    "CLASSPATH",
    "EDITOR",
    "ENV",
    "GEM_HOME",
    "GEM_PATH",
    "GLOBIGNORE",
    "GOFLAGS",
    "GOROOT",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "JDK_JAVA_OPTIONS",
    "LOCALDOMAIN",
    "LOCPATH",
    "LUA_CPATH",
    "LUA_INIT",
    "LUA_PATH",
    "MAKEFILES",
    "MAKEFLAGS",
    "NLSPATH",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "PAGER",
    "PATH",
    "PROMPT_COMMAND",
    "PS4",
    "RES_OPTIONS",
    "SHELL",
    "SHELLOPTS",
    "SSLKEYLOGFILE",
    "TMPDIR",
    "VISUAL",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];

/// Returns whether a variable changes what programs load or run, so that only its own name, never a pattern, may grant it.
pub fn is_dangerous_variable(name: &str) -> bool {
    DANGEROUS_NAMES.contains(&name) || DANGEROUS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the environment of a command: the defaults, and what was granted over them.
pub(crate) fn environment(spec: &Spec) -> Vec<(String, String)> {
    let mut defaults = vec![("PATH", FIXED_PATH), ("LANG", "C.UTF-8")];
    if !matches!(spec.mode, Mode::Unconfined { .. }) {
        defaults.extend([("HOME", "/tmp"), ("TMPDIR", "/tmp")]);
    }
    let named = |name: &str| spec.env.iter().any(|(granted, _)| granted == name);
    let mut all: Vec<_> =
        defaults.into_iter().filter(|(name, _)| !named(name)).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all.extend(spec.env.iter().cloned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_and_interpreter_variables_are_dangerous() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "PYTHONPATH",
            "NODE_OPTIONS",
            "PERL5LIB",
            "BASH_ENV",
            "IFS",
            "PATH",
            "BASH_FUNC_ls%%",
            "GIT_SSH_COMMAND",
        ] {
            assert!(is_dangerous_variable(name), "{name}");
        }
        for name in ["CI", "NPM_TOKEN", "VERSION", "LDFLAGS", "TERM", "SOURCE_DATE_EPOCH", "ENVIRONMENT"] {
            assert!(!is_dangerous_variable(name), "{name}");
        }
    }
}
