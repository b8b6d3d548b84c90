//! `context`, as the fake answers it.

use crate::testing::world;

pub(crate) fn package() -> String {
    world::with(|world| world.context.package.clone())
}

pub(crate) fn version() -> String {
    world::with(|world| world.context.version.clone())
}

pub(crate) fn release() -> String {
    world::with(|world| world.context.release.clone())
}

pub(crate) fn step() -> String {
    world::with(|world| world.context.step.clone())
}

pub(crate) fn attempt() -> u32 {
    1
}

pub(crate) fn idempotency_key() -> String {
    "0".repeat(64)
}

pub(crate) fn environment() -> Option<String> {
    world::with(|world| world.context.environment.clone())
}

pub(crate) fn deployment() -> Option<String> {
    world::with(|world| world.context.deployment.clone())
}

pub(crate) fn labels() -> Vec<(String, String)> {
    Vec::new()
}

pub(crate) fn setting(name: &str) -> Option<String> {
    world::with(|world| world.context.settings.get(name).cloned())
}

pub(crate) fn unfinished() -> Option<String> {
    world::with(|world| world.context.unfinished.clone())
}

pub(crate) fn previous() -> Option<String> {
    world::with(|world| world.context.previous.clone())
}

pub(crate) fn started_at() -> u64 {
    world::with(|world| world.context.started_at)
}
