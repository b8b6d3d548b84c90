//! `package`, `push`, `pull`, and `apply PACKAGE@VERSION`: where packages lie, and who asks for them.

use super::run::{Opened, carry};
use crate::args::{ApplyArgs, Cli, PlanArgs, Release, Target};
use crate::open::{self, Access};
use crate::show;
use relrun_engine::command::{self, DeliverRequest, FoundPackage, PackageSource, Packed, PushRequest};
use relrun_engine::plan::{Plan, PlannedPackage, plan_package};
use relrun_engine::{EngineError, Exit, Workspace};
use relrun_ledger::ReleaseId;
use relrun_manifest::{PackageName, PackageReference, VersionSelector, Wanted};
use relrun_package::Package;
use relrun_registry::{Client, LAYOUT_PREFIX, Layout, Name, Place, REMOTE_PREFIX, Reference, Repository, Tag, pack_layout};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a package was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    /// By its name: `acme/shop@1.4.2`.
    Named(PackageReference),
    /// By where it lies: `oci://registry.example.com/acme/shop:1.4.2`, or `oci-layout:DIRECTORY:1.4.2`.
    At(Reference),
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(reference) => reference.fmt(f),
            Self::At(reference) if matches!(reference.place, Place::Remote { .. }) => write!(f, "{REMOTE_PREFIX}{reference}"),
            Self::At(reference) => reference.fmt(f),
        }
    }
}

/// Returns the package that an argument names; none where it is a file, or has nothing of a package's name.
pub(super) fn named(argument: &Path) -> Result<Option<Asked>, EngineError> {
    let Some(text) = argument.to_str().filter(|_| !argument.exists()) else { return Ok(None) };
    if is_place(text) {
        return asked(text).map(Some);
    }
    match text.split_once('@') {
        Some((name, _)) if name.parse::<PackageName>().is_ok() => asked(text).map(Some),
        _ => Ok(None),
    }
}

fn is_place(text: &str) -> bool {
    text.starts_with(REMOTE_PREFIX) || text.starts_with(LAYOUT_PREFIX)
}

fn asked(text: &str) -> Result<Asked, EngineError> {
    if is_place(text) { Ok(Asked::At(text.parse()?)) } else { read(text).map(Asked::Named) }
}

fn read(text: &str) -> Result<PackageReference, EngineError> {
    text.parse().map_err(|error: relrun_manifest::BadReference| {
        let help =
            "write OWNER/NAME@WHICH or where it lies (`oci://…`, `oci-layout:…`), such as `acme/shop@1.4.2`, `acme/shop@1.4.@`, `acme/shop@latest` or `acme/shop@tag:prod-candidate`";
        EngineError::input(error.to_string(), help)
    })
}

pub(super) async fn package(cli: &Cli, at: &Release, out: Option<&Path>, sign: Option<&Path>) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &at.manifest.path, Access::Write)?;
    let packed = pack(&opened, at.id, sign)?;
    let Some(out) = out else {
        keep(cli, &opened, &packed).await?;
        return Ok(Exit::Done);
    };
    let place = if out.extension().is_some_and(|end| end == "tar") {
        let folder = tempfile::tempdir().map_err(|source| EngineError::io("make a folder for the package", source))?;
        let layout = folder.path().join("layout");
        command::keep(&packed, &Layout::at(&layout)).await?;
        pack_layout(&layout, out)?;
        out.display().to_string()
    } else {
        let layout = Layout::at(out);
        command::keep(&packed, &layout).await?;
        layout.place().to_string()
    };
    say(cli, &packed, "packed", &place, &packed.digest())?;
    Ok(Exit::Done)
}

/// Keeps a package in the project.
pub(super) async fn keep(cli: &Cli, opened: &Opened, packed: &Packed) -> Result<(), EngineError> {
    let layout = Layout::at(command::kept(&opened.workspace, &packed.record.package));
    command::keep(packed, &layout).await?;
    say(cli, packed, "packed", &layout.place().to_string(), &packed.digest())
}

/// Packs a release, and signs its provenance with the key that is named, or that the environment names.
pub(super) fn pack(opened: &Opened, id: Option<ReleaseId>, sign: Option<&Path>) -> Result<Packed, EngineError> {
    let repository = super::git::origin(&opened.loaded.directory);
    let named = std::env::var_os(SIGNING_KEY).filter(|value| !value.is_empty()).map(PathBuf::from);
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| {
            EngineError::input(
                format!("the signing key {} cannot be read: {error}", path.display()),
                "name a private key in OpenSSH's form",
            )
        })
    };
    let key = sign.or(named.as_deref()).map(read).transpose()?;
    command::package(&opened.workspace, &opened.loaded, id, repository.as_deref(), key.as_deref())
}

/// The variable that names the private key which provenances are signed with.
const SIGNING_KEY: &str = "RELRUN_SIGNING_KEY";

/// Where packages are sent, and which tags are moved there.
pub(super) struct Sending {
    pub(super) repository: Arc<dyn Repository>,
    tags: Vec<Tag>,
}

impl Sending {
    /// Finds out where to. Nothing is sent yet.
    pub(super) async fn new(opened: &Opened, to: Option<&str>, tags: &[String]) -> Result<Self, EngineError> {
        let tags = tags.iter().map(|tag| moving(tag)).collect::<Result<Vec<_>, _>>()?;
        let place = target(opened, to)?;
        let repository = client(&opened.workspace)?.open(&place).await?;
        Ok(Self { repository, tags })
    }

    /// Sends a package.
    pub(super) async fn send(
        &self,
        cli: &Cli,
        opened: &Opened,
        packed: &Packed,
        force: bool,
        lock_wait: Duration,
    ) -> Result<(), EngineError> {
        let request = PushRequest { tags: self.tags.clone(), force, lock_wait };
        let digest = command::push(&opened.workspace, packed, &*self.repository, &request).await?;
        say(cli, packed, "pushed", &format!("{}:{}", self.repository.place(), packed.tag()?), &digest.0)
    }
}

fn say(cli: &Cli, packed: &Packed, verb: &str, place: &str, digest: &str) -> Result<(), EngineError> {
    let record = &packed.record;
    if show::format(cli) == crate::args::Format::Json {
        return show::print_json(&serde_json::json!({
            "package": record.package, "version": record.version, "release": packed.release, "place": place, "digest": digest,
        }));
    }
    show::print(&format!("{verb} {}@{} ({})\n  to      {place}\n  digest  {digest}\n", record.package, record.version, packed.release))
}

pub(super) async fn push(
    cli: &Cli,
    at: &Release,
    to: Option<&str>,
    tags: &[String],
    (sign, force): (Option<&Path>, bool),
    lock_wait: Duration,
) -> Result<Exit, EngineError> {
    let opened = Opened::new(cli, &at.manifest.path, Access::Write)?;
    let sending = Sending::new(&opened, to, tags).await?;
    let packed = pack(&opened, at.id, sign)?;
    sending.send(cli, &opened, &packed, force, lock_wait).await?;
    Ok(Exit::Done)
}

/// A tag that moves must not look like a version, which never does.
fn moving(text: &str) -> Result<Tag, EngineError> {
    if relrun_manifest::Version::parse(&text.replace('_', "+")).is_ok() {
        let message = format!("--tag {text}: that is a version, and a version never moves");
        return Err(EngineError::input(
            message,
            "the release's own version is its tag anyway; name one that moves, such as `prod-candidate`",
        ));
    }
    Ok(text.parse::<Tag>()?)
}

/// Says where a package is pushed: `--to`, the manifest's `publish`, or the project's only registry.
fn target(opened: &Opened, to: Option<&str>) -> Result<Place, EngineError> {
    if let Some(to) = to {
        return place(&opened.workspace.root, to);
    }
    let package = &opened.loaded.manifest.package;
    if let Some(publish) = &package.publish {
        return place(&opened.workspace.root, publish);
    }
    match candidates(&opened.workspace, &package.name.value.to_string())?.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(EngineError::input(
            "it is not said where to push",
            "write `publish \"oci://REGISTRY/REPOSITORY\"` into `package { … }`, `registry \"oci://REGISTRY\"` into relrun.kdl, or say `--to`",
        )),
        many => {
            let places: Vec<String> = many.iter().map(|place| format!("`--to oci://{place}`")).collect();
            Err(EngineError::input("relrun.kdl names more than one registry", format!("say which: {}", places.join(", "))))
        }
    }
}

/// Returns where the project's registries have a package.
fn candidates(workspace: &Workspace, package: &str) -> Result<Vec<Place>, EngineError> {
    let below = |registry: &relrun_manifest::RegistryDecl| {
        place(&workspace.root, &format!("{}/{package}", registry.place.value.trim_end_matches('/')))
    };
    workspace.project.registries.iter().map(below).collect()
}

/// Reads a place; one that is a directory is relative to the project's root.
fn place(root: &Path, text: &str) -> Result<Place, EngineError> {
    let reference: Reference = text.parse()?;
    if reference.tag.is_some() || reference.digest.is_some() {
        let message = format!("`{text}` names one version, and a place is meant");
        return Err(EngineError::input(message, format!("leave out what follows `{}`", reference.place)));
    }
    Ok(below(root, reference.place))
}

/// A directory is relative to the project's root.
fn below(root: &Path, place: Place) -> Place {
    match place {
        Place::Layout(path) => Place::Layout(root.join(path)),
        remote @ Place::Remote { .. } => remote,
    }
}

/// Makes the client, with docker's credentials and what relrun.kdl says of its registries.
fn client(workspace: &Workspace) -> Result<Client, EngineError> {
    Ok(Client::new(open::registries(&workspace.root, &workspace.project))?)
}

pub(super) async fn pull(cli: &Cli, package: &str, from: Option<&str>) -> Result<Exit, EngineError> {
    let asked = asked(package)?;
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    let package = fetch(&workspace, &asked, from).await?;
    let record = &package.record;
    let kept = LAYOUT_PREFIX.to_owned() + &command::kept(&workspace, &record.package).display().to_string();
    let text = format!("pulled {}@{}\n  to      {kept}\n  digest  {}\n", record.package, record.version, package.digest());
    show::print(&text)?;
    Ok(Exit::Done)
}

pub(super) async fn apply(cli: &Cli, args: &ApplyArgs, asked: Asked) -> Result<Exit, EngineError> {
    let request = DeliverRequest { force: args.force, uses: super::run::uses(&args.providers)?, ..request(&args.target, &asked, "apply")? };
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    let package = fetch(&workspace, &asked, args.from.as_deref()).await?;
    deliver(cli, args, workspace, &package, &request).await
}

async fn deliver(
    cli: &Cli,
    args: &ApplyArgs,
    workspace: Arc<Workspace>,
    package: &Package,
    request: &DeliverRequest,
) -> Result<Exit, EngineError> {
    let loaded = command::manifest_of(&workspace, package)?;
    carry(cli, Opened::with(workspace, loaded), &args.run, args.no_cache, async |tools, loaded| {
        command::deliver(tools, loaded, package, request).await
    })
    .await
}

/// Carries a plan that was made of a package: that very package, which planning brought here, and nothing else.
pub(super) async fn apply_plan(
    cli: &Cli,
    args: &ApplyArgs,
    planned: &PlannedPackage,
    request: &DeliverRequest,
) -> Result<Exit, EngineError> {
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    let package = fetch(&workspace, &Asked::Named(read(&planned.reference)?), args.from.as_deref()).await?;
    if package.digest() != planned.digest.0 {
        let message = format!("the plan is for {} {}, and here it is {}", planned.reference, planned.digest, package.digest());
        return Err(EngineError::input(message, "make a new plan: `relrun plan PACKAGE@WHICH -e ENV --out FILE`"));
    }
    deliver(cli, args, workspace, &package, request).await
}

/// Says what `apply` would do with a package. It is brought here for that, as `pull` does.
pub(super) async fn plan(cli: &Cli, args: &PlanArgs, asked: &Asked) -> Result<Plan, EngineError> {
    let request = DeliverRequest { uses: super::run::uses(&args.providers)?, ..request(&args.target, asked, "plan")? };
    if args.build {
        return Err(EngineError::input("nothing of a package is built, and `--build` has nothing to do", "leave out `--build`"));
    }
    let workspace = open::workspace(cli, Path::new("release.kdl"), Access::Write)?;
    let package = fetch(&workspace, asked, args.from.as_deref()).await?;
    let loaded = command::manifest_of(&workspace, &package)?;
    plan_package(&workspace, &loaded, &package, &request).await
}

fn request(target: &Target, asked: &Asked, verb: &str) -> Result<DeliverRequest, EngineError> {
    if target.environment.is_empty() {
        let message = format!("it is not said where {asked} is to be deployed");
        return Err(EngineError::input(message, format!("say where, once or more: `relrun {verb} {asked} -e ENV`")));
    }
    if !target.phase.is_empty() {
        return Err(EngineError::input("a package is deployed whole, and `--phase` cannot narrow it", "leave out `--phase`"));
    }
    Ok(DeliverRequest {
        reference: asked.to_string(),
        environments: target.environment.clone(),
        inputs: open::inputs(&target.input),
        deployment: target.deployment.clone(),
        ..DeliverRequest::default()
    })
}

/// Finds a package and brings it here. An exact version that is here already is taken without asking anybody: it never changes.
async fn fetch(workspace: &Arc<Workspace>, asked: &Asked, from: Option<&str>) -> Result<Package, EngineError> {
    let reference = match asked {
        Asked::Named(reference) => reference,
        Asked::At(reference) => return fetch_at(workspace, reference, from).await,
    };
    let name = reference.name.to_string();
    let own = Layout::at(command::kept(workspace, &name));
    let is_exact = matches!(reference.wanted, Wanted::Version(VersionSelector::Exact(_)));
    let mut places = match from {
        Some(from) => vec![place(&workspace.root, from)?],
        None => candidates(workspace, &name)?,
    };
    if places.is_empty() {
        places.extend(publish(workspace, &name)?);
    }
    if from.is_none()
        && (is_exact || places.is_empty())
        && let Some(found) = choose(&own, reference).await?
    {
        return command::pull(workspace, &own, &found, Some(reference)).await;
    }
    let client = client(workspace)?;
    for place in &places {
        let repository = client.open(place).await?;
        if let Some(found) = choose(&*repository, reference).await? {
            return command::pull(workspace, &*repository, &found, Some(reference)).await;
        }
    }
    Err(not_found(&client, &places, reference).await)
}

/// Brings just what lies at a place: whatever package that is.
async fn fetch_at(workspace: &Workspace, reference: &Reference, from: Option<&str>) -> Result<Package, EngineError> {
    if from.is_some() {
        return Err(EngineError::input(format!("`{reference}` says itself where the package lies"), "leave out `--from`"));
    }
    let name = reference.name()?;
    let place = below(&workspace.root, reference.place.clone());
    let repository = client(workspace)?.open(&place).await?;
    command::pull(workspace, &*repository, &name, None).await
}

/// Where relrun.kdl says that packages lie.
pub(super) struct Registries {
    workspace: Arc<Workspace>,
}

impl Registries {
    pub(super) fn new(workspace: &Arc<Workspace>) -> Self {
        Self { workspace: Arc::clone(workspace) }
    }

    /// Finds a package; none where relrun.kdl says nothing, or where none is. An exact version that is here already is taken without asking
    /// anybody: it never changes.
    async fn find(&self, reference: &PackageReference) -> Result<Option<Package>, EngineError> {
        let workspace = &self.workspace;
        let name = reference.name.to_string();
        if matches!(reference.wanted, Wanted::Version(VersionSelector::Exact(_))) {
            let own = Layout::at(command::kept(workspace, &name));
            if let Some(found) = choose(&own, reference).await? {
                return command::pull(workspace, &own, &found, Some(reference)).await.map(Some);
            }
        }
        let client = client(workspace)?;
        for place in candidates(workspace, &name)? {
            let repository = client.open(&place).await?;
            if let Some(found) = choose(&*repository, reference).await? {
                return command::pull(workspace, &*repository, &found, Some(reference)).await.map(Some);
            }
        }
        Ok(None)
    }
}

impl PackageSource for Registries {
    fn find<'a>(&'a self, package: &'a PackageName, version: &'a VersionSelector) -> FoundPackage<'a> {
        let reference = PackageReference { name: package.clone(), wanted: Wanted::Version(version.clone()) };
        Box::pin(async move { Self::find(self, &reference).await })
    }
}

async fn choose(from: &dyn Repository, reference: &PackageReference) -> Result<Option<Name>, EngineError> {
    command::choose(from, &reference.wanted).await
}

/// Returns where the project's own manifest publishes the package, where it is that package's.
fn publish(workspace: &Workspace, package: &str) -> Result<Option<Place>, EngineError> {
    let path = workspace.root.join("release.kdl");
    if !path.exists() {
        return Ok(None);
    }
    let loaded = relrun_engine::Loaded::new(workspace, relrun_engine::Source::read(&path)?)?;
    let own = &loaded.manifest.package;
    let publish = own.publish.as_ref().filter(|_| own.name.value.to_string() == package);
    publish.map(|publish| place(&workspace.root, publish)).transpose()
}

async fn not_found(client: &Client, places: &[Place], reference: &PackageReference) -> EngineError {
    if places.is_empty() {
        let message = format!("{reference} is not here, and it is not said where else it may be");
        return EngineError::input(message, "write `registry \"oci://REGISTRY\"` into relrun.kdl, or say `--from PLACE`");
    }
    let mut there = Vec::new();
    for place in places {
        let Ok(repository) = client.open(place).await else { continue };
        let versions = command::versions(&*repository).await.unwrap_or_default();
        there.extend(versions.iter().rev().take(5).map(ToString::to_string));
    }
    let places: Vec<String> = places.iter().map(ToString::to_string).collect();
    let message = format!("{reference} is not in {}", places.join(" or "));
    let help = if there.is_empty() {
        "push it from where it was made: `relrun push`; many registries also say this to those who may not read there".to_owned()
    } else {
        format!("the last versions there are {}", there.join(", "))
    };
    EngineError::input(message, help)
}
