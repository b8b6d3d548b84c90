//! The component's exports: each hands its texts to [`operations`](crate::operations) and turns the answer into the world's types.

use crate::bindings::exports::relrun::plugin::adoption;
use crate::bindings::exports::relrun::plugin::step::Guest;
use crate::bindings::relrun::plugin::types as wit;
use crate::operations::{self, Answer, Found};
use crate::{Change, Error, ErrorKind, Health, Plugin};
use std::marker::PhantomData;

/// A plugin as the component's export.
#[doc(hidden)]
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Plugin> Guest for Component<P> {
    fn describe() -> wit::Description {
        let known = operations::describe::<P>();
        wit::Description {
            name: known.about.name.to_owned(),
            version: known.about.version.to_owned(),
            summary: known.about.summary.to_owned(),
            config_schema: known.config_schema.to_string(),
            outputs_schema: known.outputs_schema.to_string(),
        }
    }

    fn resolve(config: String) -> Result<wit::Needs, wit::Error> {
        let needs = operations::resolve::<P>(&config)?;
        Ok(wit::Needs {
            kind: if needs.effect { wit::Kind::Effect } else { wit::Kind::Pure },
            idempotent: needs.idempotent,
            requests: needs.requests.into_iter().map(|need| wit::Need { capability: need.capability, reason: need.reason }).collect(),
        })
    }

    fn plan(config: String) -> Result<Vec<wit::Change>, wit::Error> {
        Ok(operations::plan::<P>(&config)?.into_iter().map(Into::into).collect())
    }

    fn apply(config: String) -> Result<wit::Outcome, wit::Error> {
        Ok(operations::apply::<P>(&config)?.into())
    }

    fn recover(config: String, checkpoint: Option<String>) -> Result<wit::Recovery, wit::Error> {
        Ok(match operations::recover::<P>(&config, checkpoint.as_deref())? {
            Found::NotDone => wit::Recovery::NotDone,
            Found::Done(answer) => wit::Recovery::Done(answer.into()),
            Found::Partly(receipt) => wit::Recovery::Partly(receipt.to_string()),
        })
    }

    fn verify(config: String, receipt: String) -> Result<wit::Health, wit::Error> {
        Ok(match operations::verify::<P>(&config, &receipt)? {
            Health::Intact => wit::Health::Intact,
            Health::Drifted(changes) => wit::Health::Drifted(changes.into_iter().map(Into::into).collect()),
            Health::Gone => wit::Health::Gone,
        })
    }

    fn undo(config: String, receipt: String) -> Result<wit::Outcome, wit::Error> {
        Ok(operations::undo::<P>(&config, &receipt)?.into())
    }

    fn destroy(config: String, receipt: String) -> Result<wit::Outcome, wit::Error> {
        Ok(operations::destroy::<P>(&config, &receipt)?.into())
    }
}

impl<P: Plugin> adoption::Guest for Component<P> {
    fn find(config: String) -> Result<wit::Outcome, wit::Error> {
        Ok(operations::find::<P>(&config)?.into())
    }
}

impl From<Answer> for wit::Outcome {
    fn from(answer: Answer) -> Self {
        Self { summary: answer.summary, outputs: answer.outputs.to_string(), receipt: answer.receipt.map(|receipt| receipt.to_string()) }
    }
}

impl From<Change> for wit::Change {
    fn from(change: Change) -> Self {
        Self { summary: change.summary, detail: change.detail }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        let message = error.message().to_owned();
        match error.kind() {
            ErrorKind::Invalid => Self::Invalid(message),
            ErrorKind::Denied => Self::Denied(message),
            ErrorKind::Missing => Self::Missing(message),
            ErrorKind::TimedOut => Self::TimedOut(message),
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Transient => Self::Transient(message),
            ErrorKind::Permanent => Self::Permanent(message),
            ErrorKind::Other => Self::Other(message),
        }
    }
}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Invalid(message) => Self::invalid(message),
            wit::Error::Denied(message) => Self::denied(message),
            wit::Error::Missing(message) => Self::missing(message),
            wit::Error::TimedOut(message) => Self::timed_out(message),
            wit::Error::Cancelled => Self::cancelled(),
            wit::Error::Transient(message) => Self::transient(message),
            wit::Error::Permanent(message) => Self::permanent(message),
            wit::Error::Other(message) => Self::other(message),
        }
    }
}
