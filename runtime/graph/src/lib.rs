//! The DAG of phases and steps, expanded per environment, and its drawings.
//!
//! This room is pure: it gets a typed manifest and the effective environments and says what runs, where, after what. It never reads a
//! file, runs a step, or knows what a plugin is. Ids are dense and in topological order, so that whoever walks them in order walks from
//! causes to effects, and whoever walks them backwards may undo.

mod csr;
mod draw;
mod error;
mod expand;
mod graph;
mod node;
mod order;
mod outline;
mod schedule;
mod select;

pub use error::{GraphError, GraphErrors};
pub use graph::Graph;
pub use node::{EnvironmentId, Node, NodeId, Reason};
pub use schedule::Schedule;
pub use select::{Errands, Selection};
