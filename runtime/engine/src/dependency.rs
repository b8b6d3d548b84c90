//! What a deployment needs of others: what meets it now, or why nothing does.
//!
//! Everything is read from the ledger: which deployments stand in an environment, and what each of them gave. Nothing here deploys, and
//! nothing here chooses for a person where there is more than one way.

mod lock;
mod requirement;
mod wiring;

pub(crate) use lock::{choose, lock, locked_of};
pub use requirement::{Part, Uses};
pub(crate) use requirement::{requirements, with_uses};
pub(crate) use wiring::{Needed, wiring_of};

use crate::command::summaries;
use crate::prepare::Prepared;
use crate::{EngineError, Workspace, text};
use relrun_ledger::{DeploymentKey, Deployments, Offer, PartOf, Provider, ReleaseId, Requirement, Summary};
use relrun_manifest::{Namespace, ProviderName, Reference, Scalar, Template};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What meets the requirements of a release, by environment and by name.
pub(crate) type Wiring = BTreeMap<String, BTreeMap<String, Found>>;

/// What was found for one requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is met.
    Met(Box<Provider>),
    /// It is not there yet: it is waited for.
    Absent(Absence),
    /// A person must say which, or put something right.
    Refused {
        /// What is wrong.
        message: String,
        /// What to type.
        help: String,
    },
}

/// What is not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// Nothing provides the interface.
    Interface {
        /// The interface.
        interface: String,
        /// The provider that was named, or chosen before.
        provider: Option<String>,
    },
    /// The part is not deployed as it should be: relrun brings it by itself.
    Part {
        /// The package.
        package: String,
        /// Its version; absent: none was chosen, because there is none.
        version: Option<String>,
        /// Which versions may be chosen.
        selector: String,
        /// The deployment's name.
        deployment: String,
    },
}

impl Absence {
    /// Says what is waited for.
    pub(crate) fn words(&self, environment: &str) -> String {
        match self {
            Self::Interface { interface, provider: None } => format!("\"{interface}\" (nothing provides it in {environment})"),
            Self::Interface { interface, provider: Some(provider) } => {
                format!("\"{interface}\" of {provider} (it is not deployed in {environment})")
            }
            Self::Part { package, version: Some(version), deployment, .. } => {
                format!("{package}@{version} in {environment} as \"{deployment}\"")
            }
            Self::Part { package, version: None, selector, .. } => format!("{package}@{selector} (there is no such release)"),
        }
    }
}

/// A deployment that stands somewhere.
struct Standing {
    package: String,
    place: DeploymentKey,
    release: ReleaseId,
    version: String,
    set: BTreeMap<String, Value>,
    met: BTreeMap<String, Provider>,
    offer: Offer,
    part_of: Option<PartOf>,
}

/// Everything that stands, of all packages of a ledger.
pub(crate) struct Board(Vec<Standing>);

impl Board {
    /// Reads what stands.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self, EngineError> {
        let mut all = Vec::new();
        for package in workspace.runs.packages()? {
            let summaries = summaries(workspace, &package)?;
            for (place, active) in Deployments::of(&summaries).all() {
                let Some(summary) = summaries.iter().find(|summary| summary.release == active.release) else { continue };
                all.extend(Standing::new(&package, place, summary));
            }
        }
        Ok(Self(all))
    }

    fn at(&self, package: &str, place: &DeploymentKey) -> Option<&Standing> {
        self.0.iter().find(|standing| standing.package == package && standing.place == *place)
    }

    /// Returns what met the requirements of what stands at a place.
    fn met_at(&self, package: &str, place: &DeploymentKey) -> Option<&BTreeMap<String, Provider>> {
        self.at(package, place).map(|standing| &standing.met)
    }

    /// Whether what stands at a place was deployed with other values than are found there now. What is gone now is no reason to deploy anew; a part
    /// that is, is brought again.
    fn differs(&self, package: &str, place: &DeploymentKey, wiring: &Wiring) -> bool {
        let (Some(standing), Some(found)) = (self.at(package, place), wiring.get(&place.environment)) else { return false };
        found.iter().any(|(name, found)| match found {
            Found::Met(provider) => standing.met.get(name).is_none_or(|met| !met.gives_as(provider)),
            Found::Absent(Absence::Part { .. }) => true,
            Found::Absent(Absence::Interface { .. }) | Found::Refused { .. } => false,
        })
    }

    /// Returns every deployment that uses what a deployment gives; what that is a part of is none, because both go together.
    pub(crate) fn users(&self, package: &str, place: &DeploymentKey) -> Vec<User> {
        let uses = |standing: &&Standing| {
            let mut met = standing.met.values();
            standing.place.environment == place.environment
                && met.any(|met| met.interface.is_some() && met.package == package && met.deployment == place.deployment)
        };
        self.0.iter().filter(uses).map(Standing::user).collect()
    }

    /// Returns what each of these packages' deployments gives otherwise than a user of it took it.
    pub(crate) fn outdated(&self, packages: &BTreeSet<String>) -> Vec<(User, String)> {
        let mut outdated = Vec::new();
        for standing in &self.0 {
            for provider in standing.met.values().filter(|provider| packages.contains(&provider.package)) {
                let place = DeploymentKey { environment: standing.place.environment.clone(), deployment: provider.deployment.clone() };
                let now = self.at(&provider.package, &place).and_then(|there| there.offer.by(provider.interface.as_deref()));
                if now.is_some_and(|now| *now != provider.outputs) {
                    outdated.push((standing.user(), words_of(&provider.package, &provider.deployment)));
                }
            }
        }
        outdated
    }
}

/// A deployment that uses another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct User {
    /// Its package.
    pub(crate) package: String,
    /// Where it stands.
    pub(crate) place: (String, String),
    /// The release that is active there.
    pub(crate) release: ReleaseId,
}

impl User {
    /// Returns how a sentence names it.
    pub(crate) fn words(&self) -> String {
        format!("{} {} in {}", self.package, self.release, crate::words::place(&self.package, &self.place.0, Some(&self.place.1)))
    }
}

impl Standing {
    fn new(package: &str, place: &DeploymentKey, summary: &Summary) -> Option<Self> {
        let there = summary.environments.get(&place.environment)?;
        Some(Self {
            package: package.to_owned(),
            place: place.clone(),
            release: summary.release,
            version: summary.version.clone(),
            set: there.set.clone(),
            met: there.met.clone(),
            offer: there.offer.clone(),
            part_of: summary.part_of.clone(),
        })
    }

    fn user(&self) -> User {
        let place = (self.place.environment.clone(), self.place.deployment.clone());
        User { package: self.package.clone(), place, release: self.release }
    }

    fn words(&self) -> String {
        words_of(&self.package, &self.place.deployment)
    }

    fn provider(&self, interface: Option<&str>) -> Provider {
        Provider {
            package: self.package.clone(),
            deployment: self.place.deployment.clone(),
            release: self.release,
            version: self.version.clone(),
            interface: interface.map(str::to_owned),
            outputs: self.offer.by(interface).cloned().unwrap_or_default(),
        }
    }
}

fn words_of(package: &str, deployment: &str) -> String {
    let own = package.rsplit('/').next() == Some(deployment);
    if own { package.to_owned() } else { format!("{package}:{deployment}") }
}

/// Returns the name of the deployment that is a part of another.
pub(crate) fn part_name(deployment: &str, name: &str) -> String {
    format!("{deployment}-{name}")
}

/// Whose requirements are looked at.
struct Seeker<'a> {
    board: &'a Board,
    package: &'a str,
    deployment: &'a str,
    requires: &'a BTreeMap<String, Requirement>,
    locked: &'a BTreeMap<String, String>,
    /// The outputs that its steps refer to, by name.
    wanted: &'a BTreeMap<String, BTreeSet<String>>,
}

impl Seeker<'_> {
    /// Looks for what meets every requirement in an environment. `before` is what met them when it was last deployed there.
    fn look(&self, environment: &str, before: &BTreeMap<String, Provider>) -> BTreeMap<String, Found> {
        let one = |(name, requirement): (&String, &Requirement)| {
            let before = before.get(name);
            let found = match requirement {
                Requirement::Interface { interface, provider } => self.interface(environment, interface, provider.as_deref(), before),
                Requirement::Package { package, version, set } => {
                    let locked = self.locked.get(name).cloned().or_else(|| Some(before?.version.clone()));
                    self.part(environment, name, package, version, set, locked)
                }
            };
            (name.clone(), self.complete(name, environment, found))
        };
        self.requires.iter().map(one).collect()
    }

    fn interface(&self, environment: &str, interface: &str, named: Option<&str>, before: Option<&Provider>) -> Found {
        let is_own = |standing: &Standing| standing.package == self.package && standing.place.deployment == self.deployment;
        let offers = |standing: &&Standing| {
            standing.place.environment == environment
                && standing.part_of.is_none()
                && standing.offer.interfaces.contains_key(interface)
                && !is_own(standing)
        };
        let there: Vec<&Standing> = self.board.0.iter().filter(offers).collect();
        let met = |standing: &Standing| Found::Met(Box::new(standing.provider(Some(interface))));
        let absent = |provider: Option<String>| Found::Absent(Absence::Interface { interface: interface.to_owned(), provider });
        if let Some(named) = named.and_then(|named| named.parse::<ProviderName>().ok()) {
            let is_named =
                |standing: &&&Standing| standing.package == named.package.to_string() && standing.place.deployment == named.deployment();
            return there.iter().find(is_named).map_or_else(|| absent(Some(named.to_string())), |standing| met(standing));
        }
        if let Some(before) = before.filter(|before| before.interface.as_deref() == Some(interface)) {
            let is_before = |standing: &&&Standing| standing.package == before.package && standing.place.deployment == before.deployment;
            return match (there.iter().find(is_before), there.as_slice()) {
                (Some(standing), _) => met(standing),
                (None, []) => absent(Some(words_of(&before.package, &before.deployment))),
                (None, others) => {
                    let gone = words_of(&before.package, &before.deployment);
                    let message = format!(
                        "{gone}, which gave \"{interface}\" in {environment} before, is gone there, and {} gives it now",
                        names(others)
                    );
                    Found::Refused { message, help: help_to_choose(self.name_of(interface), others) }
                }
            };
        }
        match there.as_slice() {
            [] => absent(None),
            [only] => met(only),
            several => {
                let message = format!("\"{interface}\" is provided by {} in {environment}", names(several));
                Found::Refused { message, help: help_to_choose(self.name_of(interface), several) }
            }
        }
    }

    /// Returns the name under which an interface is consumed.
    fn name_of<'n>(&'n self, interface: &'n str) -> &'n str {
        let consumes =
            |requirement: &Requirement| matches!(requirement, Requirement::Interface { interface: named, .. } if named == interface);
        self.requires.iter().find(|(_, requirement)| consumes(requirement)).map_or(interface, |(name, _)| name)
    }

    fn part(
        &self,
        environment: &str,
        name: &str,
        package: &str,
        selector: &str,
        set: &BTreeMap<String, Value>,
        version: Option<String>,
    ) -> Found {
        let deployment = part_name(self.deployment, name);
        let place = DeploymentKey { environment: environment.to_owned(), deployment: deployment.clone() };
        let absent = |version| {
            Found::Absent(Absence::Part {
                package: package.to_owned(),
                version,
                selector: selector.to_owned(),
                deployment: deployment.clone(),
            })
        };
        let Some(standing) = self.board.at(package, &place) else { return absent(version) };
        let is_ours = |part: &PartOf| part.package == self.package && part.deployment == self.deployment;
        if !standing.part_of.as_ref().is_some_and(is_ours) {
            let message = format!("\"{deployment}\" of {package} stands in {environment} already, and {} did not bring it", self.package);
            let help = format!(
                "give the dependency another name with `as=`, or take that one away: `relrun -m {package} destroy -e {environment} --deployment {deployment}`"
            );
            return Found::Refused { message, help };
        }
        if version.as_ref() == Some(&standing.version) && is_set_like(&standing.set, set) {
            Found::Met(Box::new(standing.provider(None)))
        } else {
            absent(version)
        }
    }

    /// What meets a requirement must give all that is referred to.
    fn complete(&self, name: &str, environment: &str, found: Found) -> Found {
        let (Found::Met(provider), Some(wanted)) = (&found, self.wanted.get(name)) else { return found };
        let Some(lacking) = wanted.iter().find(|output| !provider.outputs.contains_key(*output)) else { return found };
        let by = words_of(&provider.package, &provider.deployment);
        let gives: Vec<&String> = provider.outputs.keys().collect();
        let gives = if gives.is_empty() { "nothing".to_owned() } else { text::join(&gives) };
        Found::Refused {
            message: format!("${{dep.{name}.{lacking}}} is nothing in {environment}: {by} {} gives {gives} there", provider.release),
            help: format!("correct the reference, or let {} say `output \"{lacking}\" …` and deploy it again", provider.package),
        }
    }
}

/// Whether a part has the values that it is to have. One value that its manifest takes as a list stands there as one.
fn is_set_like(there: &BTreeMap<String, Value>, wanted: &BTreeMap<String, Value>) -> bool {
    let is_like = |(name, value): (&String, &Value)| {
        there.get(name).is_some_and(|there| there == value || there.as_array().is_some_and(|values| values.iter().eq([value])))
    };
    there.len() == wanted.len() && wanted.iter().all(is_like)
}

fn names(standing: &[&Standing]) -> String {
    let names: Vec<String> = standing.iter().map(|standing| format!("{} ({})", standing.words(), standing.release)).collect();
    text::join(&names)
}

fn help_to_choose(name: &str, standing: &[&Standing]) -> String {
    let words: Vec<String> = standing.iter().map(|standing| format!("`--use {name}={}`", standing.words())).collect();
    format!("say which once, with `apply`, `promote`, `rollback` or `continue`, and it is remembered: {}", words.join(" or "))
}

/// Says everything that is refused, as one error.
pub(crate) fn check(wiring: &Wiring) -> Result<(), EngineError> {
    let refused = |found: &Found| match found {
        Found::Refused { message, help } => Some((message.clone(), help.clone())),
        Found::Met(_) | Found::Absent(_) => None,
    };
    let all: Vec<(String, String)> = wiring.values().flat_map(BTreeMap::values).filter_map(refused).collect();
    let Some((_, help)) = all.first() else { return Ok(()) };
    let messages: Vec<&str> = all.iter().map(|(message, _)| message.as_str()).collect();
    Err(EngineError::input(messages.join("\n"), help.clone()))
}

/// Returns the outputs of dependencies that the steps of an environment, and what it gives to others, refer to.
fn wanted(prepared: &Prepared, environment: &str) -> BTreeMap<String, BTreeSet<String>> {
    let manifest = &prepared.loaded.manifest;
    let here = |node: &relrun_graph::NodeId| prepared.environment(*node).is_some_and(|found| *found.name == *environment);
    let steps = prepared.graph.topological().filter(here).flat_map(|node| prepared.step(node).references());
    let outputs = manifest.outputs.iter().chain(manifest.provides.iter().flat_map(|provides| &provides.outputs));
    let outputs = outputs.filter_map(|output| template(&output.value.value)).flat_map(Template::references);
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for reference in steps.chain(outputs).filter(|reference| reference.namespace == Namespace::Dep) {
        if let [name, output, ..] = reference.path.as_slice() {
            wanted.entry(name.clone()).or_default().insert(output.clone());
        }
    }
    wanted
}

pub(crate) fn template(scalar: &Scalar) -> Option<&Template> {
    if let Scalar::String(template) = scalar { Some(template) } else { None }
}

/// Returns the value that a reference to a dependency stands for.
pub(crate) fn value_of(met: &BTreeMap<String, Provider>, reference: &Reference) -> Option<Value> {
    let (name, rest) = reference.path.split_first()?;
    let (output, rest) = rest.split_first()?;
    crate::values::dig(met.get(name)?.outputs.get(output)?, rest)
}
