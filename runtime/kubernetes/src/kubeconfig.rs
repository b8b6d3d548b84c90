//! The kubeconfig files as they are written, and how several of them are one: the first that says something counts, as with kubectl.

use relrun_gate::GateError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One file. What this does not know is left alone: other programs write there too.
#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default)]
    users: Option<Vec<NamedUser>>,
    #[serde(default)]
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Option<ClusterEntry>,
}

#[derive(Debug, Deserialize)]
struct NamedUser {
    name: String,
    user: Option<UserEntry>,
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    context: Option<ContextEntry>,
}

/// Where a cluster is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClusterEntry {
    #[serde(default)]
    pub(crate) server: String,
    pub(crate) certificate_authority: Option<PathBuf>,
    pub(crate) certificate_authority_data: Option<String>,
    pub(crate) insecure_skip_tls_verify: Option<bool>,
    pub(crate) tls_server_name: Option<String>,
    pub(crate) proxy_url: Option<String>,
}

/// Who asks. It is never shown: it holds credentials.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UserEntry {
    pub(crate) token: Option<String>,
    #[serde(rename = "tokenFile")]
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_certificate_data: Option<String>,
    pub(crate) client_key: Option<PathBuf>,
    pub(crate) client_key_data: Option<String>,
    pub(crate) exec: Option<ExecEntry>,
    pub(crate) auth_provider: Option<serde_json::Value>,
    #[serde(rename = "as")]
    pub(crate) impersonate: Option<String>,
}

impl std::fmt::Debug for UserEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserEntry")
    }
}

/// A program that gives credentials.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecEntry {
    #[serde(default)]
    pub(crate) api_version: String,
    #[serde(default)]
    pub(crate) command: String,
    pub(crate) args: Option<Vec<String>>,
    pub(crate) env: Option<Vec<EnvEntry>>,
    pub(crate) install_hint: Option<String>,
    pub(crate) interactive_mode: Option<String>,
    pub(crate) provide_cluster_info: Option<bool>,
}

/// A variable for that program.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EnvEntry {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ContextEntry {
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    user: String,
}

/// All files as one.
#[derive(Debug, Default)]
pub(crate) struct Kubeconfig {
    clusters: BTreeMap<String, ClusterEntry>,
    users: BTreeMap<String, UserEntry>,
    contexts: BTreeMap<String, ContextEntry>,
    /// The files that were read.
    files: Vec<PathBuf>,
}

impl Kubeconfig {
    /// Reads the files that are there; one that is not is no error, because a list names those that may be.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, GateError> {
        let mut all = Self::default();
        for path in paths {
            let text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(GateError::missing(format!("failed to read the kubeconfig {}: {error}", path.display()))),
            };
            all.take(path, &text)?;
        }
        Ok(all)
    }

    fn take(&mut self, path: &Path, text: &str) -> Result<(), GateError> {
        // The parser's own words quote the text, and credentials stand in it: only the place is said.
        let unread = |error: serde_saphyr::Error| {
            let place = error.location().map_or_else(String::new, |at| format!(", line {}", at.line()));
            GateError::invalid(format!("{}{place} is no kubeconfig", path.display()))
        };
        let file: Option<File> = if text.trim().is_empty() { None } else { Some(serde_saphyr::from_str(text).map_err(unread)?) };
        let file = file.unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("."));
        for named in file.clusters.into_iter().flatten() {
            let mut entry = named.cluster.unwrap_or_default();
            settle(folder, [&mut entry.certificate_authority]);
            self.clusters.entry(named.name).or_insert(entry);
        }
        for named in file.users.into_iter().flatten() {
            let mut entry = named.user.unwrap_or_default();
            settle(folder, [&mut entry.client_certificate, &mut entry.client_key, &mut entry.token_file]);
            if let Some(exec) = entry.exec.as_mut().filter(|exec| exec.command.contains('/')) {
                exec.command = folder.join(&exec.command).to_string_lossy().into_owned();
            }
            self.users.entry(named.name).or_insert(entry);
        }
        for named in file.contexts.into_iter().flatten() {
            self.contexts.entry(named.name).or_insert_with(|| named.context.unwrap_or_default());
        }
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Returns the cluster and the user of a context; nothing where there is no such context.
    pub(crate) fn context(&self, name: &str) -> Result<Option<(ClusterEntry, UserEntry)>, GateError> {
        let Some(context) = self.contexts.get(name) else { return Ok(None) };
        let missing = |what: &str, of: &str| {
            GateError::missing(format!("the kubeconfig's context \"{name}\" names the {what} \"{of}\", which is not there"))
        };
        let cluster = self.clusters.get(&context.cluster).ok_or_else(|| missing("cluster", &context.cluster))?;
        let user = match context.user.as_str() {
            "" => UserEntry::default(),
            user => self.users.get(user).ok_or_else(|| missing("user", user))?.clone(),
        };
        Ok(Some((cluster.clone(), user)))
    }

    /// Says that there is no such context, and which there are.
    pub(crate) fn no_context(&self, name: &str, looked: &[PathBuf]) -> GateError {
        let shown = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        if self.files.is_empty() {
            let place =
                if looked.is_empty() { "no place to look for one is known".to_owned() } else { format!("looked for {}", shown(looked)) };
            return GateError::missing(format!("there is no kubeconfig, so no context \"{name}\"; {place}"))
                .with_help("name the file with KUBECONFIG, or run where there is one");
        }
        let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        GateError::missing(format!("{} has no context \"{name}\"; there: {known}", shown(&self.files)))
            .with_help("write a context of your kubeconfig, or add this one to it")
    }
}

/// Paths in a file are relative to it.
fn settle<const N: usize>(folder: &Path, paths: [&mut Option<PathBuf>; N]) {
    for path in paths.into_iter().flatten() {
        *path = folder.join(&*path);
    }
}
