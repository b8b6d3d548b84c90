//! The DAG of phases and steps, expanded per environment, and its drawings.
