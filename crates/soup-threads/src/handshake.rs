//! How the owner of a region and the workers synchronise: one word of state, and two condition variables.
//!
//! The owner opens a region (a new generation, `OPEN`). Workers count themselves in and out while they take tasks. The
//! owner closes the region when no task is left and waits until the count is 0. Both sides spin a bounded number of
//! times and then sleep. A waker changes the state first and then takes the sleepers' lock; a sleeper takes the lock
//! first and then reads the state: no wake-up is lost. `.ci/loom` runs all orders of this.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;

#[cfg(all(loom, test))]
use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
};
#[cfg(not(all(loom, test)))]
use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
};

/// The interface of loom's cell, which detects concurrent access, by the standard library's.
#[cfg(not(all(loom, test)))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(all(loom, test)))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }
    fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }
    fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Set while a region accepts workers.
const OPEN: u64 = 1 << 31;
/// Set while the owner of a closed region sleeps until the last worker has left.
const AWAITED: u64 = 1 << 30;
/// The low bits count the workers inside.
const WORKERS: u64 = AWAITED - 1;
/// One step of the region number, in the high bits.
const GENERATION: u64 = 1 << 32;
/// How often a thread spins before it sleeps (some tens of microseconds).
#[cfg(not(all(loom, test)))]
const SPINS: u32 = 4000;
#[cfg(all(loom, test))]
const SPINS: u32 = 1;

/// Gets the task's number and the thread's.
pub type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

pub struct Handshake {
    state: AtomicU64,
    next: AtomicUsize,
    tasks: AtomicUsize,
    job: UnsafeCell<Option<*const Task<'static>>>,
    panicked: AtomicBool,
    stop: AtomicBool,
    /// Workers that sleep, and the owner where it does.
    sleepers: Mutex<usize>,
    /// A region was opened, or all is over.
    opened: Condvar,
    /// The last worker has left a closed region.
    left: Condvar,
}

// SAFETY: `job` is written by the owner alone, and only before it opens a region while no worker is inside; workers read
// it only while they are counted in `state`, which they can enter only while a region is open. The owner is one thread at
// a time: `Pool` holds a lock around `run`. The task that `job` points to is Sync.
unsafe impl Sync for Handshake {}
// SAFETY: nothing in it belongs to a thread; `job` is used only while the owner of its region waits.
unsafe impl Send for Handshake {}

impl Handshake {
    pub fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            next: AtomicUsize::new(0),
            tasks: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: Mutex::new(0),
            opened: Condvar::new(),
            left: Condvar::new(),
        }
    }

    /// Runs a region as its owner, who is number 0; one thread at a time may.
    ///
    /// # Panics
    /// Where a task panicked, after all threads have left.
    pub fn run(&self, tasks: usize, task: &Task<'_>) {
        // SAFETY: only the lifetime is changed. Workers use the pointer only while they are counted in this region, and
        // this function does not return or unwind before the count is 0.
        let job = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        self.job.with_mut(|place| {
            // SAFETY: this is the only owner, and the last region is closed and empty, so nobody reads the job now.
            unsafe { *place = Some(job) }
        });
        self.next.store(0, Ordering::Relaxed);
        self.tasks.store(tasks, Ordering::Relaxed);
        let last = self.state.load(Ordering::Relaxed) & !(GENERATION - 1);
        // Workers that see the region open see what was written before.
        self.state
            .store(last.wrapping_add(GENERATION) | OPEN, Ordering::SeqCst);
        if *self.lock() > 0 {
            self.opened.notify_all();
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.take_tasks(task, 0)));
        self.close();
        let others = self.panicked.swap(false, Ordering::Relaxed);
        if let Err(panic) = result {
            resume_unwind(panic);
        }
        assert!(!others, "a parallel task panicked");
    }

    /// Lets no worker in any more and waits until the last one has left.
    fn close(&self) {
        let mut state = self.state.fetch_and(!OPEN, Ordering::AcqRel);
        for _ in 0..SPINS {
            state = self.state.load(Ordering::Acquire);
            if state & WORKERS == 0 {
                return;
            }
            spin_loop();
        }
        if state & WORKERS == 0 {
            return;
        }
        let mut sleepers = self.lock();
        self.state.fetch_or(AWAITED, Ordering::AcqRel);
        while self.state.load(Ordering::Acquire) & WORKERS != 0 {
            sleepers = self
                .left
                .wait(sleepers)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Works in every region from now on, as this number, until [`Handshake::stop`].
    pub fn work(&self, worker: usize) {
        let mut seen = 0;
        while let Some(generation) = self.enter(seen) {
            seen = generation;
            let job = self.job.with(|place| {
                // SAFETY: this worker is counted in the region, so its owner waits and writes no other job.
                unsafe { *place }
            });
            if let Some(job) = job {
                // SAFETY: the owner of the region waits in `run`, whose caller lent it the task.
                let task = unsafe { &*job };
                if catch_unwind(AssertUnwindSafe(|| self.take_tasks(task, worker))).is_err() {
                    self.panicked.store(true, Ordering::Relaxed);
                }
            }
            self.leave();
        }
    }

    /// Waits for a region after `seen` and counts this worker in; `None` when all is over.
    fn enter(&self, seen: u64) -> Option<u64> {
        let is_new = |state: u64| state & OPEN != 0 && state & !(GENERATION - 1) != seen;
        let mut spins = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let state = self.state.load(Ordering::Acquire);
            if is_new(state) {
                let (one_more, order) = (state + 1, Ordering::AcqRel);
                let entered =
                    self.state
                        .compare_exchange(state, one_more, order, Ordering::Relaxed);
                if entered.is_ok() {
                    return Some(state & !(GENERATION - 1));
                }
                // Another worker came or went, or the owner closed: each can happen so many times only.
                continue;
            }
            spins += 1;
            if spins < SPINS {
                spin_loop();
                continue;
            }
            let mut sleepers = self.lock();
            *sleepers += 1;
            while !self.stop.load(Ordering::SeqCst) && !is_new(self.state.load(Ordering::SeqCst)) {
                sleepers = self
                    .opened
                    .wait(sleepers)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            *sleepers -= 1;
            spins = 0;
        }
        None
    }

    fn leave(&self) {
        // What the tasks wrote is seen by the owner, who reads the count with Acquire.
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & AWAITED != 0 && before & WORKERS == 1 {
            drop(self.lock());
            self.left.notify_one();
        }
    }

    fn take_tasks(&self, task: &Task<'_>, worker: usize) {
        let tasks = self.tasks.load(Ordering::Relaxed);
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= tasks {
                break;
            }
            task(index, worker);
        }
    }

    /// Ends all workers.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(self.lock());
        self.opened.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test --release -p soup-threads --lib`, see `.ci/loom`.
#[cfg(all(loom, test))]
mod tests {
    use loom::sync::Arc;

    use super::*;

    /// Regions of so many tasks, one after the other, with so many workers: every task runs once and is done, and what
    /// it wrote is seen, when its region ends; workers end on `stop`, asleep or awake. Orders in which a thread
    /// is preempted more often than `stops` times are not explored.
    fn regions(workers: usize, tasks: &'static [usize], stops: usize) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(stops);
        model.check(move || {
            let shared = Arc::new(Handshake::new());
            let threads: Vec<_> = (1..=workers)
                .map(|worker| {
                    let shared = Arc::clone(&shared);
                    loom::thread::spawn(move || shared.work(worker))
                })
                .collect();
            for &tasks in tasks {
                // Loom's cells complain where two threads could meet in one.
                let done: Vec<_> = (0..tasks).map(|_| loom::cell::UnsafeCell::new(0)).collect();
                let done = Places(done);
                shared.run(tasks, &|index, worker| {
                    assert!(worker <= workers);
                    done.add_one(index);
                });
                for place in &done.0 {
                    // SAFETY: the region is over.
                    assert_eq!(place.with(|value| unsafe { *value }), 1);
                }
            }
            shared.stop();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    struct Places(Vec<loom::cell::UnsafeCell<u32>>);

    // SAFETY: loom checks that each place is written by one thread at a time.
    unsafe impl Sync for Places {}

    impl Places {
        fn add_one(&self, index: usize) {
            // SAFETY: each task has its own place.
            self.0[index].with_mut(|value| unsafe { *value += 1 });
        }
    }

    #[test]
    fn one_worker_and_three_regions() {
        regions(1, &[2, 1, 2], 3);
    }

    #[test]
    fn two_workers_and_two_regions() {
        regions(2, &[2, 2], 2);
    }

    #[test]
    fn a_worker_that_nobody_calls_ends() {
        regions(1, &[], 3);
    }
}
