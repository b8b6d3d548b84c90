//! Bounds the memory of one store: the sum over all linear memories and tables, which wasmtime's own limits count one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmtime::ResourceLimiter;

/// What one table element is counted as.
const ELEMENT: usize = std::mem::size_of::<usize>();

/// Counts what a store holds.
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// What the last growth added, to be given back when it fails.
    last: usize,
    over: Arc<AtomicBool>,
}

impl Limiter {
    /// Makes one for this many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { limit: usize::try_from(bytes).unwrap_or(usize::MAX), used: 0, last: 0, over: Arc::default() }
    }

    /// Returns a flag that is set once the limit was met.
    pub(crate) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    fn grow(&mut self, by: usize) -> bool {
        let fits = self.used.checked_add(by).is_some_and(|sum| sum <= self.limit);
        self.last = if fits { by } else { 0 };
        if fits {
            self.used += by;
        } else {
            self.over.store(true, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&mut self) {
        self.used -= std::mem::take(&mut self.last);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT)))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        1_000
    }

    fn tables(&self) -> usize {
        1_000
    }

    fn memories(&self) -> usize {
        100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_counts() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).expect("counts"));
        assert!(!limiter.memory_growing(0, 60, None).expect("counts"));
        assert!(limiter.over().load(Ordering::Relaxed));
        assert!(limiter.memory_growing(60, 100, None).expect("counts"));
        assert!(!limiter.table_growing(0, 1, None).expect("counts"));
    }

    #[test]
    fn a_growth_that_failed_is_given_back_once() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 100, None).expect("counts"));
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).expect("counts");
        limiter.memory_grow_failed(wasmtime::Error::msg("no")).expect("counts");
        assert!(limiter.memory_growing(0, 100, None).expect("counts"));
    }
}
