//! Capabilities as the exact line to add to a `grant` block.

use super::{Capability, Confine, HttpGrant, RunGrant, SecretGrant, SecretTarget};
use std::fmt::{self, Display, Formatter, Write};

/// A KDL string in quotes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                // What KDL forbids or reads as a new line, and what turns the direction of text.
                c if c.is_control()
                    || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
                {
                    write!(f, "\\u{{{:x}}}", c as u32)?;
                }
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

impl Display for Capability {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => write_run(run, f),
            Self::Http(http) => write_http(http, f),
            Self::Read(path) => write!(f, "read {}", Quoted(path)),
            Self::Write(path) => write!(f, "write {}", Quoted(path)),
            Self::Env(name) => write!(f, "env {}", Quoted(name)),
            Self::Secret(secret) => write_secret(secret, f),
            Self::Host(pattern) => write!(f, "host {}", Quoted(pattern)),
            Self::Kubernetes { context, namespace } => write!(f, "kubernetes context={} namespace={}", Quoted(context), Quoted(namespace)),
            Self::Registry(repository) => write!(f, "registry {}", Quoted(repository)),
        }
    }
}

fn write_run(run: &RunGrant, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("run")?;
    for pattern in &run.argv {
        write!(f, " {}", Quoted(pattern.as_str()))?;
    }
    if let Some(hosts) = &run.on {
        write!(f, " on={}", Quoted(hosts))?;
    }
    for (name, on) in [("in-place", run.in_place), ("readonly", run.readonly), ("network", run.network)] {
        if on {
            write!(f, " {name}=#true")?;
        }
    }
    if run.confine == Confine::None { f.write_str(" confine=\"none\"") } else { Ok(()) }
}

fn write_http(http: &HttpGrant, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "http {}", Quoted(&http.origin.to_string()))?;
    let methods: Vec<_> = http.methods.iter().map(String::as_str).collect();
    if methods != ["GET", "HEAD"] {
        write!(f, " methods={}", Quoted(&methods.join(" ")))?;
    }
    if http.private {
        f.write_str(" private=#true")?;
    }
    for (name, value) in [("ca", &http.tls.ca), ("cert", &http.tls.cert), ("key", &http.tls.key)] {
        if let Some(value) = value {
            write!(f, " {name}={}", Quoted(value))?;
        }
    }
    Ok(())
}

fn write_secret(secret: &SecretGrant, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "secret {}", Quoted(&secret.name))?;
    match &secret.target {
        SecretTarget::Http(origin) => write!(f, " to={}", Quoted(&origin.to_string())),
        SecretTarget::Command { program, env } => {
            write!(f, " to-command={}", Quoted(program))?;
            env.as_ref().map_or(Ok(()), |env| write!(f, " env={}", Quoted(env)))
        }
        SecretTarget::Sign => f.write_str(" sign=#true"),
        SecretTarget::Reveal => f.write_str(" reveal=#true"),
    }
}
