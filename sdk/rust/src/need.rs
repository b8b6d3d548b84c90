//! What a config needs, in the manifest's own words: the host compares it with what the manifest grants.

use std::fmt::{self, Write as _};

/// What one config needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    pub(crate) effect: bool,
    pub(crate) idempotent: bool,
    pub(crate) requests: Vec<Need>,
}

impl Needs {
    /// Depends on config, staged inputs and granted values alone: served from the cache.
    pub fn pure() -> Self {
        Self { effect: false, idempotent: true, requests: Vec::new() }
    }

    /// Changes something outside: recorded, never served from the cache. Not idempotent until it says so.
    pub fn effect() -> Self {
        Self { effect: true, idempotent: false, requests: Vec::new() }
    }

    /// Says whether a second `apply` with the same idempotency key does no harm.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Asks for one capability more, unless it is asked for already.
    pub fn with(mut self, need: Need) -> Self {
        if self.requests.iter().all(|known| known.capability != need.capability) {
            self.requests.push(need);
        }
        self
    }

    /// Returns whether it is an effect.
    pub fn is_effect(&self) -> bool {
        self.effect
    }

    /// Returns what it asks for, each as the manifest would write it.
    pub fn capabilities(&self) -> Vec<&str> {
        self.requests.iter().map(|need| need.capability.as_str()).collect()
    }
}

/// One capability that a plugin needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub(crate) capability: String,
    pub(crate) reason: String,
}

impl Need {
    /// A capability in the manifest's own words.
    pub fn new(capability: impl Into<String>) -> Self {
        Self { capability: capability.into(), reason: String::new() }
    }

    /// Says why, in a few words, for the person who grants it.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Adds a property with a text.
    fn property(mut self, name: &str, value: &str) -> Self {
        // Writing into a String never fails.
        let _ = write!(self.capability, " {name}={}", Quoted(value));
        self
    }

    fn flag(mut self, name: &str, value: bool) -> Self {
        if value {
            let _ = write!(self.capability, " {name}=#true");
        }
        self
    }

    /// `run`: on those of the environment's hosts whose names match, in place of this machine.
    pub fn on(self, hosts: &str) -> Self {
        self.property("on", hosts)
    }

    /// `run`: it runs in the work tree itself instead of a staged copy.
    pub fn in_place(self, value: bool) -> Self {
        self.flag("in-place", value)
    }

    /// `run`: it is not confined at all.
    pub fn unconfined(self, value: bool) -> Self {
        if value { self.property("confine", "none") } else { self }
    }

    /// `run`: it changes nothing, so that `plan` and `verify` may run it.
    pub fn readonly(self, value: bool) -> Self {
        self.flag("readonly", value)
    }

    /// `run`: it may reach the network.
    pub fn network(self, value: bool) -> Self {
        self.flag("network", value)
    }

    /// `http`: these methods, in upper case; without, GET and HEAD.
    pub fn methods(self, methods: &[&str]) -> Self {
        self.property("methods", &methods.join(" "))
    }

    /// `http`: the origin may be a loopback, private or link-local address.
    pub fn private(self, value: bool) -> Self {
        self.flag("private", value)
    }

    /// `secret`: into requests to this origin.
    pub fn to(self, origin: &str) -> Self {
        self.property("to", origin)
    }

    /// `secret`: into this program's variable.
    pub fn to_command(self, program: &str, env: &str) -> Self {
        self.to_program(program, Some(env))
    }

    /// `secret`: into this program's variable, or its standard input where none is named.
    pub fn to_program(self, program: &str, env: Option<&str>) -> Self {
        let need = self.property("to-command", program);
        match env {
            Some(env) => need.property("env", env),
            None => need,
        }
    }
}

/// Asks to run a command: the program, then each argument.
pub fn run<S: AsRef<str>>(argv: &[S]) -> Need {
    let mut capability = "run".to_owned();
    for word in argv {
        let _ = write!(capability, " {}", Quoted(word.as_ref()));
    }
    Need::new(capability)
}

/// Asks for HTTP with an origin: `https://api.example.com`.
pub fn http(origin: &str) -> Need {
    Need::new(format!("http {}", Quoted(origin)))
}

/// Asks for the environment's hosts; `*` matches any run of characters.
pub fn host(pattern: &str) -> Need {
    Need::new(format!("host {}", Quoted(pattern)))
}

/// `kubernetes context="prod" namespace="shop"`: one namespace of a cluster.
pub fn kubernetes(context: &str, namespace: &str) -> Need {
    Need::new("kubernetes").property("context", context).property("namespace", namespace)
}

/// `registry "registry.example.com/acme/shop"`: one repository of a registry.
pub fn registry(repository: &str) -> Need {
    Need::new(format!("registry {}", Quoted(repository)))
}

/// Asks for a secret of the manifest; say to which target with [`Need::to`] or [`Need::to_command`].
pub fn secret(name: &str) -> Need {
    Need::new(format!("secret {}", Quoted(name)))
}

/// Asks for a directory, read-only.
pub fn read(path: &str) -> Need {
    Need::new(format!("read {}", Quoted(path)))
}

/// Asks for a directory, read and write.
pub fn write(path: &str) -> Need {
    Need::new(format!("write {}", Quoted(path)))
}

/// Asks for an environment variable; for a command's variable only where [`steers_programs`] says so.
pub fn env(name: &str) -> Need {
    Need::new(format!("env {}", Quoted(name)))
}

/// Returns whether a command's variable changes what programs load or run, so that the host asks for a grant by its name. The host's own
/// list rules: where it knows more names, the command is denied, with the line to add.
pub fn steers_programs(variable: &str) -> bool {
    const PREFIXES: &[&str] = &[
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
    const NAMES: &[&str] = &[
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
    NAMES.contains(&variable) || PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

/// A text as KDL writes it.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                control if control.is_control() => write!(f, "\\u{{{:x}}}", u32::from(control))?,
                plain => f.write_char(plain)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_written_as_a_manifest_would() {
        assert_eq!(run(&["npm", "run", "say \"hi\""]).network(true).capability, r#"run "npm" "run" "say \"hi\"" network=#true"#);
        assert_eq!(
            http("https://a.example").methods(&["GET", "POST"]).private(true).capability,
            r#"http "https://a.example" methods="GET POST" private=#true"#
        );
        assert_eq!(secret("token").to_command("npm", "NPM_TOKEN").capability, r#"secret "token" to-command="npm" env="NPM_TOKEN""#);
    }

    #[test]
    fn the_same_need_is_asked_for_once() {
        assert_eq!(Needs::effect().with(host("*")).with(host("*")).capabilities(), ["host \"*\""]);
    }
}
