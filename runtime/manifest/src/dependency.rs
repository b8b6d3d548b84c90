//! What a package gives to others, and what it takes from them.

use crate::{PackageName, Scalar, Setting, Spanned, VersionSelector, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An `output` node: a value that a deployment of the package gives to others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value, as it is once the deployment stands.
    pub value: Spanned<Scalar>,
}

/// A `provides` node: an interface that a deployment of the package offers in its environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provides {
    /// The interface's name.
    pub interface: Spanned<String>,
    /// What is given by it. Empty: the package's own outputs.
    pub outputs: Vec<Output>,
}

/// A `consumes` node: an interface that something in the same environment must provide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consumes {
    /// The interface's name.
    pub interface: Spanned<String>,
    /// The name in `${dep.NAME.OUTPUT}`; by default the interface's.
    pub alias: Spanned<String>,
    /// Which provider is meant; absent: the only one, or the one that was chosen before.
    pub from: Option<Spanned<ProviderName>>,
}

/// A `depends` node: a package of which each deployment has one of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Depends {
    /// The package.
    pub package: Spanned<PackageName>,
    /// Which version of it: chosen when a release is made, and kept for that release.
    pub version: Spanned<VersionSelector>,
    /// The name in `${dep.NAME.OUTPUT}`; by default the package's.
    pub alias: Spanned<String>,
    /// The inputs that it is deployed with.
    pub settings: Vec<Setting>,
}

/// A deployment that provides something: `owner/name`, or `owner/name:deployment`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProviderName {
    /// Its package.
    pub package: PackageName,
    /// Its name; absent: the package's.
    pub deployment: Option<String>,
}

/// A text that names no provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no provider")]
pub struct BadProvider(String);

impl ProviderName {
    /// Returns the deployment's name.
    pub fn deployment(&self) -> &str {
        self.deployment.as_deref().unwrap_or(&self.package.name)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.deployment {
            Some(deployment) if *deployment != self.package.name => write!(f, "{}:{deployment}", self.package),
            _ => self.package.fmt(f),
        }
    }
}

impl FromStr for ProviderName {
    type Err = BadProvider;

    fn from_str(name: &str) -> Result<Self, BadProvider> {
        let bad = || BadProvider(name.to_owned());
        let (package, deployment) = name.split_once(':').map_or((name, None), |(package, deployment)| (package, Some(deployment)));
        if deployment.is_some_and(|deployment| !text::is_plain_name(deployment)) {
            return Err(bad());
        }
        Ok(Self { package: package.parse().map_err(|_| bad())?, deployment: deployment.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderName;

    #[test]
    fn a_provider_is_a_package_or_a_deployment_of_it() {
        let read = |text: &str| text.parse::<ProviderName>().map(|name| (name.to_string(), name.deployment().to_owned()));
        assert_eq!(read("acme/database"), Ok(("acme/database".into(), "database".into())));
        assert_eq!(read("acme/database:blue"), Ok(("acme/database:blue".into(), "blue".into())));
        assert_eq!(read("acme/database:database").map(|(name, _)| name), Ok("acme/database".into()));
        for wrong in ["", "database", "acme/", "acme/database:", "acme/database:a b", "acme/database:a:b", "Acme/database"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
