//! Moves the engine's epoch on, so that a guest that computes comes back to the scheduler. One thread, which sleeps while nothing runs.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::Engine;

/// How long a guest computes before it must yield. Timeouts, cancelling and CPU limits are this exact.
const TICK: Duration = Duration::from_millis(5);

/// Owns the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

/// While one lives, epochs pass.
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    stop: bool,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn new(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (theirs, engine) = (Arc::clone(&shared), engine.clone());
        std::thread::Builder::new().name("relrun-epoch".into()).spawn(move || tick(&theirs, &engine))?;
        Ok(Self { shared })
    }

    /// Lets epochs pass until the answer is dropped.
    pub(crate) fn start(&self) -> Ticking {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running += 1;
        if state.running == 1 {
            self.shared.wake.notify_one();
        }
        Ticking { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.shared.wake.notify_one();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    loop {
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.running == 0 && !state.stop {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stop {
            return;
        }
        drop(state);
        std::thread::sleep(TICK);
        engine.increment_epoch();
    }
}
