//! Where a package comes from: an in-toto statement with SLSA's provenance, of what the ledger says. It is as true as the ledger is.

use crate::PackageError;
use crate::pack::attach;
use crate::record::{Attached, PackageRecord};
use bytes::Bytes;
use relrun_ledger::{Actor, Git, Release, StepState, Timestamp};
use relrun_registry::{Artifact, canonical_json};
use serde_json::{Value, json};

/// What the statement says.
pub(crate) const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// Which run of which ledger made the package.
#[derive(Clone, Copy, Debug)]
pub struct Built<'a> {
    /// The release that was built.
    pub release: &'a Release,
    /// The ledger's own id.
    pub ledger: &'a str,
}

/// What a release was made of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What git knew of the work tree.
    pub git: Option<&'a Git>,
    /// Where the repository is, where it says so itself.
    pub repository: Option<&'a str>,
}

/// Makes the provenance of a package, in an artifact about it.
pub fn provenance(record: &PackageRecord, package: &Artifact, built: Built<'_>, source: Source<'_>) -> Result<Artifact, PackageError> {
    attach(Attached::Provenance, package, statement(record, package, built, source)?)
}

/// Makes the statement of a package's provenance. All times in it are the ledger's, so that it can be made again.
pub fn statement(record: &PackageRecord, package: &Artifact, built: Built<'_>, source: Source<'_>) -> Result<Bytes, PackageError> {
    let start = &built.release.start;
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": format!("{}@{}", record.package, record.version),
            "digest": { "sha256": package.manifest.digest().digest() },
        }],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:relrun:build:v1",
                "externalParameters": {
                    "package": record.package,
                    "version": record.version,
                    "manifest": { "blake3": record.manifest.to_string() },
                    "inputs": record.inputs,
                },
                "internalParameters": { "steps": steps(built.release) },
                "resolvedDependencies": dependencies(record, source),
            },
            "runDetails": {
                "builder": { "id": builder(&start.actor), "version": { "relrun": env!("CARGO_PKG_VERSION") } },
                "metadata": {
                    "invocationId": format!("{}/{}/{}", built.ledger, start.package, start.release),
                    "startedOn": second(built.release.created),
                    "finishedOn": second(finished(built.release)),
                },
            },
        },
    });
    Ok(canonical_json(&statement)?)
}

/// A CI job is a builder that others can look at; everything else is somebody's machine.
fn builder(actor: &Actor) -> String {
    match &actor.job {
        Some(job) => format!("urn:relrun:job:{}", job.replace(' ', ":")),
        None => format!("urn:relrun:machine:{}@{}", actor.user, actor.host),
    }
}

/// Lists the steps that bring something into the package, and how each came by its outcome.
fn steps(release: &Release) -> Vec<Value> {
    let free = release.start.steps.iter().zip(&release.steps).filter(|(decl, _)| decl.environment.is_none());
    let done = free.filter(|(_, step)| matches!(step.state, StepState::Succeeded(_)));
    let one = |(decl, step): (&relrun_ledger::StepDecl, &relrun_ledger::StepRecord)| json!({ "name": decl.name, "kind": decl.kind, "origin": step.origin, "attempts": step.attempts });
    done.map(one).collect()
}

fn dependencies(record: &PackageRecord, source: Source<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    if let Some(git) = source.git {
        let mut tree = json!({ "name": "source", "digest": { "gitCommit": git.commit }, "annotations": { "dirty": git.dirty } });
        if let Some(repository) = source.repository {
            tree["uri"] = format!("git+{repository}").into();
        }
        found.push(tree);
    }
    for (name, plugin) in record.plugins().unwrap_or_default() {
        found.push(json!({ "name": format!("plugin {name}"), "digest": { "blake3": plugin.digest.to_string() }, "annotations": { "from": plugin.from, "version": plugin.version } }));
    }
    found
}

/// When the last step that brings something into the package came to rest.
fn finished(release: &Release) -> Timestamp {
    let free = release.start.steps.iter().zip(&release.steps).filter(|(decl, _)| decl.environment.is_none());
    free.filter_map(|(_, step)| step.ended).max().unwrap_or(release.created)
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
