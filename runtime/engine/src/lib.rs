//! Carries a release: identity, scheduling, retry, undo, recovery.
