//! Kubernetes clusters by the kubeconfig rules: where they are, who asks, and what of them a step may reach.
//!
//! Credentials are read and kept here and leave by the gate alone, in a header or in TLS; no guest ever holds one. [`Door`] is the one place
//! that says which path belongs to a namespace. This room never reads the environment: [`Sources`] carries what it needs of it.

mod cluster;
mod credential;
mod door;
mod exec;
mod kubeconfig;

pub use cluster::{Cluster, Clusters, IN_CLUSTER, Sources};
pub use door::{Door, Passage, Refused};
