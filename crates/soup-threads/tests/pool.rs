//! Every task once, whoever asks, from wherever, and whatever panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use soup_threads::Pool;

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
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(total.load(Ordering::Relaxed), 8000);
}

#[test]
fn a_panicking_task_reaches_the_caller_and_the_pool_lives_on() {
    let pool = Pool::new(3);
    for bad in 0..8 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.run(8, &|index| assert!(index != bad, "one"));
        }));
        assert!(outcome.is_err());
        // All of them, so that the owner's task and a worker's both panic.
        let outcome = catch_unwind(AssertUnwindSafe(|| pool.run(8, &|_| panic!("all"))));
        assert!(outcome.is_err());
        let total = AtomicUsize::new(0);
        pool.run(8, &|_| {
            total.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(total.load(Ordering::Relaxed), 8);
    }
}

/// Its tasks run on the thread that asks, under its own number, so that numbers still keep scratch apart.
#[test]
fn a_task_that_asks_its_own_pool_gets_its_own_thread() {
    let pool = Pool::new(3);
    let total = AtomicUsize::new(0);
    pool.run_with_worker(20, &|_, outer| {
        let thread = std::thread::current().id();
        pool.run_with_worker(10, &|_, inner| {
            assert_eq!(inner, outer);
            assert_eq!(std::thread::current().id(), thread);
            pool.run(2, &|_| {
                total.fetch_add(1, Ordering::Relaxed);
            });
        });
    });
    assert_eq!(total.load(Ordering::Relaxed), 400);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.run(4, &|_| pool.run(4, &|index| assert!(index != 3, "inside")));
    }));
    assert!(outcome.is_err());
    // The thread is free again.
    let names = std::sync::Mutex::new(std::collections::BTreeSet::new());
    pool.run(64, &|_| {
        std::thread::sleep(Duration::from_millis(1));
        names
            .lock()
            .unwrap()
            .insert(format!("{:?}", std::thread::current().id()));
    });
    assert!(names.lock().unwrap().len() > 1);
}

/// Two pools that ask each other, from several threads at once: by locks alone they would wait for each other.
#[test]
fn pools_that_ask_each_other_end() {
    let (first, second) = (Pool::new(2), Pool::new(3));
    let total = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (outer, inner) in [(&first, &second), (&second, &first)].repeat(3) {
            let total = &total;
            scope.spawn(move || {
                for _ in 0..200 {
                    outer.run(4, &|_| {
                        inner.run_with_worker(3, &|_, worker| {
                            assert!(worker < inner.threads());
                            outer.run(2, &|_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    });
                }
            });
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), 6 * 200 * 4 * 3 * 2);
}

/// No two tasks of a call have one number at once.
#[test]
fn many_threads_ask_one_pool() {
    let pool = Pool::new(4);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let busy: Vec<_> = (0..pool.threads()).map(|_| AtomicUsize::new(0)).collect();
                    let done = AtomicUsize::new(0);
                    pool.run_with_worker(9, &|_, worker| {
                        assert_eq!(busy[worker].fetch_add(1, Ordering::SeqCst), 0);
                        done.fetch_add(1, Ordering::SeqCst);
                        busy[worker].fetch_sub(1, Ordering::SeqCst);
                    });
                    assert_eq!(done.load(Ordering::SeqCst), 9);
                }
            });
        }
    });
}

/// Who waits sleeps: owner and idle workers take no time of the processor while one task takes long.
#[test]
#[cfg(target_os = "linux")]
fn waiting_takes_no_processor_time() {
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        ticks
    };
    let pool = Pool::new(3);
    let least = (0..5).map(|_| {
        let before = ticks();
        pool.run(2, &|_| std::thread::sleep(Duration::from_millis(300)));
        ticks() - before
    });
    // A spinning thread would take 30 ticks of 10 ms each time; other tests run at the same time.
    let least = least.min().unwrap();
    println!("{least} ticks");
    assert!(least < 25, "{least} ticks of 10 ms");
}
