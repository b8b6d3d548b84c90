//! The worlds that are served side by side, and the one form in which the host speaks to a step of any of them.
//!
//! What a step may do is decided in [`crate::imports`] alone, whichever world it speaks. Here is only the converter: which export is called, and what an
//! older world answers to a question that it does not know. It must never look at a capability.

use crate::bindings::types::{Change, Description, Error, Health, Needs, Outcome, Recovery};
use crate::bindings::{Plugin as First, PluginPre as FirstPre};
use crate::next::{Plugin as Second, PluginPre as SecondPre, findings};
use crate::state::State;
use wasmtime::Store;
use wasmtime::component::{HasSelf, InstancePre, Linker};

/// What messages say of the worlds.
pub(crate) const SERVED: &str = "0.1 and 0.2";

/// The interface of 0.1 plugins that can take over what stands.
const ADOPTION: &str = "relrun:plugin/adoption@0.1.1";

/// Returns whether a version of relrun's own package is served.
pub(crate) fn is_served(version: &str) -> bool {
    version.starts_with("0.1.") || version.starts_with("0.2.")
}

/// Offers what the worlds import: all of 0.1, which 0.2 takes as it is, and what 0.2 adds.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    First::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    findings::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// A component, ready for its instances.
pub(crate) enum Pre {
    First(FirstPre<State>),
    Second(SecondPre<State>),
}

/// An instance.
pub(crate) enum Step {
    First(First),
    Second(Second),
}

/// Calls a function that both worlds have.
macro_rules! ask {
    ($step:expr, $store:expr, $call:ident $(, $word:expr)*) => {
        match $step {
            Step::First(plugin) => plugin.relrun_plugin_step().$call($store $(, $word)*).await,
            Step::Second(plugin) => plugin.relrun_plugin0_2_0_step().$call($store $(, $word)*).await,
        }
    };
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl Pre {
    /// Takes a component of a served version.
    pub(crate) fn new(version: &str, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        if version.starts_with("0.1.") { FirstPre::new(pre).map(Self::First) } else { SecondPre::new(pre).map(Self::Second) }
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Step> {
        Ok(match self {
            Self::First(pre) => Step::First(pre.instantiate_async(store).await?),
            Self::Second(pre) => Step::Second(pre.instantiate_async(store).await?),
        })
    }

    /// Asks a new instance what stands. A step of 0.1 has that as an interface of its own, and most have not.
    pub(crate) async fn find(&self, store: &mut Store<State>, config: &String) -> Answer<Outcome> {
        let pre = match self {
            Self::Second(pre) => {
                return pre.instantiate_async(&mut *store).await?.relrun_plugin0_2_0_step().call_find(store, config).await;
            }
            Self::First(pre) => pre.instance_pre(),
        };
        let instance = pre.instantiate_async(&mut *store).await?;
        let export = instance.get_export_index(&mut *store, None, ADOPTION);
        let find = export.and_then(|adoption| instance.get_export_index(&mut *store, Some(&adoption), "find"));
        let Some(find) = find else { return Ok(Err(cannot_find())) };
        let find = instance.get_typed_func::<(&str,), (Result<Outcome, Error>,)>(&mut *store, &find)?;
        Ok(find.call_async(store, (config.as_str(),)).await?.0)
    }
}

impl Step {
    pub(crate) async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Description> {
        ask!(self, store, call_describe)
    }

    pub(crate) async fn resolve(&self, store: &mut Store<State>, config: &String) -> Answer<Needs> {
        ask!(self, store, call_resolve, config)
    }

    pub(crate) async fn plan(&self, store: &mut Store<State>, config: &String) -> Answer<Vec<Change>> {
        ask!(self, store, call_plan, config)
    }

    pub(crate) async fn apply(&self, store: &mut Store<State>, config: &String) -> Answer<Outcome> {
        ask!(self, store, call_apply, config)
    }

    pub(crate) async fn recover(&self, store: &mut Store<State>, config: &String, checkpoint: Option<&String>) -> Answer<Recovery> {
        ask!(self, store, call_recover, config, checkpoint)
    }

    pub(crate) async fn verify(&self, store: &mut Store<State>, config: &String, receipt: &String) -> Answer<Health> {
        ask!(self, store, call_verify, config, receipt)
    }

    pub(crate) async fn undo(&self, store: &mut Store<State>, config: &String, receipt: &String) -> Answer<Outcome> {
        ask!(self, store, call_undo, config, receipt)
    }

    pub(crate) async fn destroy(&self, store: &mut Store<State>, config: &String, receipt: &String) -> Answer<Outcome> {
        ask!(self, store, call_destroy, config, receipt)
    }
}

fn cannot_find() -> Error {
    Error::Missing("this plugin cannot take over what stands without relrun's doing: it exports no relrun:plugin/adoption".into())
}
