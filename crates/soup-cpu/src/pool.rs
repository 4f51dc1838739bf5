//! A small thread pool for many short parallel regions.
//!
//! A training step runs hundreds of regions of a fraction of a millisecond, so workers spin for a
//! moment before they sleep and a region never waits for a worker that is still asleep. Which
//! thread runs which task never changes a result: tasks are cut by the plan, not by the pool.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Set while a region accepts workers; the low bits below it count the workers inside.
const OPEN: u64 = 1 << 31;
/// One step of the region number, in the high bits.
const GENERATION: u64 = 1 << 32;
/// How often a worker looks for the next region before it sleeps (some tens of microseconds).
const SPINS: u32 = 4000;

/// No machine that this runs on has more.
const MOST_THREADS: usize = 1024;

/// Values that a task sets to zero.
const ZEROED: usize = 256 * 1024;

type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

struct Shared {
    state: AtomicU64,
    next: AtomicUsize,
    tasks: AtomicUsize,
    job: UnsafeCell<Option<*const Task<'static>>>,
    panicked: AtomicBool,
    stop: AtomicBool,
    sleepers: Mutex<usize>,
    wake: Condvar,
}

// SAFETY: `job` is written only while no worker is inside a region and read only by workers that
// entered it through `state`; the task it points to is Sync.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is used only while the region's owner waits for it.
unsafe impl Send for Shared {}

/// Threads that run the tasks of one region at a time.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    region: Mutex<()>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish()
    }
}

impl Pool {
    /// A pool of this many threads, 1,024 at most, the caller's own among them; 0 takes one a core.
    pub fn new(threads: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n.min(MOST_THREADS),
        };
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            next: AtomicUsize::new(0),
            tasks: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: Mutex::new(0),
            wake: Condvar::new(),
        });
        let workers = (1..threads)
            .filter_map(|worker| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("soup-{worker}"))
                    .spawn(move || work(&shared, worker))
                    .ok()
            })
            .collect();
        Self {
            shared,
            workers,
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
            if let Some(item) = lock(&items[index]).take() {
                work(item, worker);
            }
        });
    }

    /// Sets values to zero, on all threads: gradients before a step are as many as the parameters.
    pub fn zero(&self, values: &mut [f32]) {
        self.each(values.chunks_mut(ZEROED), |piece| piece.fill(0.0));
    }

    /// As [`Pool::run`]; the second argument is the number of the thread, below [`Pool::threads`],
    /// for scratch memory that no two tasks use at once.
    ///
    /// # Panics
    /// Where a task panicked.
    pub fn run_with_worker(&self, tasks: usize, task: &Task<'_>) {
        let _region = self.region.lock().unwrap_or_else(PoisonError::into_inner);
        if self.workers.is_empty() || tasks < 2 {
            (0..tasks).for_each(|index| task(index, 0));
            return;
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime is changed; no worker keeps the pointer past the wait below.
        let job = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        // SAFETY: the last region is closed and empty, so no worker reads the job now.
        unsafe { *shared.job.get() = Some(job) };
        shared.next.store(0, Ordering::Relaxed);
        shared.tasks.store(tasks, Ordering::Relaxed);
        let generation =
            (shared.state.load(Ordering::Relaxed) & !(GENERATION - 1)).wrapping_add(GENERATION);
        shared.state.store(generation | OPEN, Ordering::SeqCst);
        if *lock(&shared.sleepers) > 0 {
            shared.wake.notify_all();
        }
        let result = catch_unwind(AssertUnwindSafe(|| take_tasks(shared, task, 0)));
        shared.state.fetch_and(!OPEN, Ordering::AcqRel);
        while shared.state.load(Ordering::Acquire) & (OPEN - 1) != 0 {
            std::hint::spin_loop();
        }
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        assert!(
            !shared.panicked.swap(false, Ordering::Relaxed),
            "a parallel task panicked"
        );
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(lock(&self.shared.sleepers));
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker ends by itself; there is nothing to do about one that could not.
            let _ = worker.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_tasks(shared: &Shared, task: &Task<'_>, worker: usize) {
    let tasks = shared.tasks.load(Ordering::Relaxed);
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= tasks {
            break;
        }
        task(index, worker);
    }
}

fn work(shared: &Shared, worker: usize) {
    let mut seen = 0;
    let mut spins = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let state = shared.state.load(Ordering::Acquire);
        let generation = state & !(GENERATION - 1);
        if generation != seen && state & OPEN != 0 {
            let entered = shared
                .state
                .compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
            if entered {
                seen = generation;
                spins = 0;
                // SAFETY: the region is open and this worker is counted in it, so its owner waits.
                let job = unsafe { *shared.job.get() };
                if let Some(job) = job {
                    // SAFETY: as above; the task outlives the region.
                    let task = unsafe { &*job };
                    if catch_unwind(AssertUnwindSafe(|| take_tasks(shared, task, worker))).is_err()
                    {
                        shared.panicked.store(true, Ordering::Relaxed);
                    }
                }
                shared.state.fetch_sub(1, Ordering::AcqRel);
            }
            continue;
        }
        spins += 1;
        if spins < SPINS {
            std::hint::spin_loop();
            continue;
        }
        let mut sleepers = lock(&shared.sleepers);
        *sleepers += 1;
        let news = |shared: &Shared| {
            let state = shared.state.load(Ordering::SeqCst);
            shared.stop.load(Ordering::SeqCst)
                || (state & OPEN != 0 && state & !(GENERATION - 1) != seen)
        };
        while !news(shared) {
            sleepers = shared
                .wake
                .wait(sleepers)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *sleepers -= 1;
        spins = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_however_many_threads() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 3, 17, 100] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run_with_worker(tasks, &|index, worker| {
                    assert!(worker < pool.threads());
                    counts[index].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn many_short_regions_and_naps_between() {
        let pool = Pool::new(3);
        let total = AtomicUsize::new(0);
        for round in 0..2000 {
            pool.run(4, &|_| {
                total.fetch_add(1, Ordering::Relaxed);
            });
            if round % 500 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        assert_eq!(total.load(Ordering::Relaxed), 8000);
    }

    #[test]
    fn a_panicking_task_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.run(8, &|index| assert!(index != 5, "five"));
        }));
        assert!(outcome.is_err());
        pool.run(8, &|_| {});
    }
}
