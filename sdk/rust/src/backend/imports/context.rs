//! The imports of `context`.

use crate::bindings::relrun::plugin::context;

pub(crate) use context::{
    attempt, deployment, environment, idempotency_key, labels, previous, release, setting, started_at, step, unfinished, version,
};

pub(crate) fn package() -> String {
    context::package_name()
}
