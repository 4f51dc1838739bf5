//! A small thread pool for many short parallel regions.
//!
//! A training step runs hundreds of regions of a fraction of a millisecond. So workers spin before they
//! sleep, and a region never waits for a worker that is still asleep. Which
//! thread runs which task never changes a result: tasks are cut by the caller, not by the pool.
//!
//! A task may itself ask a pool for threads, its own or another one: its tasks then run on its own thread, one after
//! another. So no thread waits for a region that it works in, and there is no deadlock. A
//! waiting thread spins a bounded number of times and then sleeps.

#![expect(
    unsafe_code,
    reason = "workers borrow the caller's task for as long as the caller waits; each use states why it is sound"
)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod handshake;

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use handshake::{Handshake, Task};

/// No machine that this runs on has more.
const MOST_THREADS: usize = 1024;

/// Values that a task sets to zero.
const ZEROED: usize = 256 * 1024;

/// Threads that run the tasks of one region at a time. Any number of threads may ask it at once: their regions run one
/// after another.
pub struct Pool {
    shared: Arc<Handshake>,
    workers: Vec<JoinHandle<()>>,
    region: Mutex<()>,
}

/// The region that this thread works in: its pool's [`Handshake`] by address, and the thread's number there.
#[derive(Clone, Copy)]
struct Inside {
    pool: usize,
    worker: usize,
}

thread_local! {
    static INSIDE: Cell<Option<Inside>> = const { Cell::new(None) };
}

/// Marks the thread as working in a region until it is dropped.
struct Marked(Option<Inside>);

impl Marked {
    fn new(pool: &Handshake, worker: usize) -> Self {
        let pool = std::ptr::from_ref(pool).addr();
        Self(INSIDE.replace(Some(Inside { pool, worker })))
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish()
    }
}

impl Pool {
    /// A pool of this many threads, 1,024 at most, the caller's own among them; 0 takes one a core. It has fewer where
    /// the system gives no more.
    pub fn new(threads: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n.min(MOST_THREADS),
        };
        let shared = Arc::new(Handshake::new());
        let workers = (1..threads).map_while(|worker| {
            let shared = Arc::clone(&shared);
            let work = move || {
                let _marked = Marked::new(&shared, worker);
                shared.work(worker);
            };
            let thread = std::thread::Builder::new().name(format!("soup-{worker}"));
            thread.spawn(work).ok()
        });
        Self {
            workers: workers.collect(),
            shared,
            region: Mutex::new(()),
        }
    }

    /// Number of threads, the caller's own among them.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(0)` to `task(tasks - 1)`, each once, and returns when all are done.
    ///
    /// # Panics
    /// Where a task panicked.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.run_with_worker(tasks, &|index, _| task(index));
    }

    /// Works on each of these items once, and returns when all are done.
    ///
    /// # Panics
    /// Where the work panicked.
    pub fn each<T: Send>(&self, items: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
        self.each_with_worker(items, |item, _| work(item));
    }

    /// As [`Pool::each`], with the number of the thread as [`Pool::run_with_worker`] gives it.
    ///
    /// # Panics
    /// Where the work panicked.
    pub fn each_with_worker<T: Send>(
        &self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T, usize) + Sync,
    ) {
        let one = |item| Mutex::new(Some(item));
        let items: Vec<_> = items.into_iter().map(one).collect();
        self.run_with_worker(items.len(), &|index, worker| {
            let item = items[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(item) = item {
                work(item, worker);
            }
        });
    }

    /// Sets values to zero, on all threads: gradients before a step are as many as the parameters.
    pub fn zero(&self, values: &mut [f32]) {
        self.each(values.chunks_mut(ZEROED), |piece| piece.fill(0.0));
    }

    /// As [`Pool::run`]; the second argument is the number of the thread, below [`Pool::threads`]: no two tasks of
    /// this call run under one number at once, so each number may have scratch memory of its own. Tasks of other calls
    /// may, so scratch belongs to one caller.
    ///
    /// # Panics
    /// Where a task panicked, after all threads have left.
    pub fn run_with_worker(&self, tasks: usize, task: &Task<'_>) {
        let here = match INSIDE.get() {
            // Two tasks of one region that both ask the region's pool keep their numbers apart.
            Some(inside) if inside.pool == Arc::as_ptr(&self.shared).addr() => Some(inside.worker),
            Some(_) => Some(0),
            None => (tasks < 2 || self.workers.is_empty()).then_some(0),
        };
        if let Some(worker) = here {
            (0..tasks).for_each(|index| task(index, worker));
            return;
        }
        let _region = self.region.lock().unwrap_or_else(PoisonError::into_inner);
        let _marked = Marked::new(&self.shared, 0);
        self.shared.run(tasks, task);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop();
        for worker in self.workers.drain(..) {
            // A worker ends by itself; there is nothing to do about one that could not.
            let _ = worker.join();
        }
    }
}
