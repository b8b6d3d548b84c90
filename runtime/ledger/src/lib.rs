//! The ledger's events and the pure fold that gives every state.
