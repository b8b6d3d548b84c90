//! A program that gives credentials, by the protocol of `client.authentication.k8s.io`. It is the user's own, run as the user runs it: not a step.

use crate::cluster::Reached;
use crate::kubeconfig::ExecEntry;
use relrun_gate::GateError;
use serde::Deserialize;
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use zeroize::Zeroizing;

const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
/// It may ask a remote service, but not a person.
const LONGEST: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

/// What it gave.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) token: Option<String>,
    pub(crate) client_certificate_data: Option<String>,
    pub(crate) client_key_data: Option<String>,
    pub(crate) expiration_timestamp: Option<jiff::Timestamp>,
}

/// Runs it.
pub(crate) async fn run(exec: &ExecEntry, reached: &Reached) -> Result<Status, GateError> {
    if !VERSIONS.contains(&exec.api_version.as_str()) {
        let known = VERSIONS.join(" and ");
        return Err(GateError::invalid(format!("the kubeconfig's `exec` speaks {:?}; this relrun speaks {known}", exec.api_version)));
    }
    if exec.interactive_mode.as_deref() == Some("Always") {
        return Err(GateError::invalid(format!(
            "{} must ask a person for the cluster's credentials, and a release asks nobody",
            exec.command
        )));
    }
    let mut spec = json!({ "interactive": false });
    if exec.provide_cluster_info == Some(true) {
        spec["cluster"] = reached.info();
    }
    let info = json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    let mut command = tokio::process::Command::new(&exec.command);
    command.args(exec.args.iter().flatten()).env("KUBERNETES_EXEC_INFO", info.to_string());
    command.envs(exec.env.iter().flatten().map(|variable| (&variable.name, &variable.value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |why: String| GateError::missing(format!("{}, which gives the cluster's credentials, {why}", exec.command));
    let hint = |error: GateError| match &exec.install_hint {
        Some(hint) => error.with_help(hint.trim().to_owned()),
        None => error,
    };
    let child = command.spawn().map_err(|error| hint(failed(format!("does not run: {error}"))))?;
    let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await;
    let output =
        output.map_err(|_| failed("took longer than a minute".to_owned()))?.map_err(|error| failed(format!("broke off: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(400).collect();
        return Err(failed(format!("ended with {}: {said}", output.status)));
    }
    let stdout = Zeroizing::new(output.stdout);
    // Its answer is not quoted: it holds the credentials.
    let answer: Answer = serde_json::from_slice(&stdout).map_err(|_| failed("answered no ExecCredential".to_owned()))?;
    let status = answer.status.unwrap_or_default();
    if status.token.is_none() && status.client_certificate_data.is_none() {
        return Err(failed("gave neither a token nor a certificate".to_owned()));
    }
    Ok(status)
}
