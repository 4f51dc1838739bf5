//! Time in which the process ran.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// How often the clock is read.
const PERIOD: Duration = Duration::from_millis(100);
/// The longest time between two readings that counts. A busy machine delays a thread by less.
const LONGEST: Duration = Duration::from_millis(500);

/// A clock that stands while the process does: stopped by a signal or a debugger, frozen with its container, or on a
/// machine that sleeps. A thread reads it periodically, so nothing ran in a long time without a reading. Of such a time
/// half a second counts.
#[derive(Debug)]
pub(super) struct Clock {
    elapsed: Arc<Mutex<Elapsed>>,
    /// Dropped with the clock, which ends the thread.
    _end: mpsc::Sender<()>,
}

#[derive(Debug)]
struct Elapsed {
    last: Instant,
    ran: Duration,
    longest: Duration,
}

impl Elapsed {
    fn read(&mut self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.last);
        self.ran += since.min(self.longest);
        self.last = self.last.max(now);
        self.ran
    }
}

impl Clock {
    pub fn start() -> Self {
        let elapsed = Arc::new(Mutex::new(Elapsed {
            last: Instant::now(),
            ran: Duration::ZERO,
            longest: LONGEST,
        }));
        let (end, ended) = mpsc::channel();
        let own = Arc::clone(&elapsed);
        let thread = thread::Builder::new()
            .name("clock".to_owned())
            .spawn(move || {
                while ended.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                    read(&own);
                }
            });
        if thread.is_err() {
            // Nothing reads it periodically, so all time counts.
            elapsed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .longest = Duration::MAX;
        }
        Self { elapsed, _end: end }
    }

    /// Seconds in which the process ran since the clock was started.
    pub fn seconds(&self) -> f64 {
        read(&self.elapsed).as_secs_f64()
    }
}

fn read(elapsed: &Mutex<Elapsed>) -> Duration {
    let mut elapsed = elapsed.lock().unwrap_or_else(PoisonError::into_inner);
    elapsed.read(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_hardly_counts() {
        let begun = Instant::now();
        let mut elapsed = Elapsed {
            last: begun,
            ran: Duration::ZERO,
            longest: LONGEST,
        };
        let mut at = |seconds: f64| {
            let ran = elapsed.read(begun + Duration::from_secs_f64(seconds));
            (ran.as_secs_f64() * 1e3).round()
        };
        assert_eq!([at(0.1), at(0.2), at(0.25)], [100.0, 200.0, 250.0]);
        // Ten seconds without a reading; which thread reads first does not matter.
        assert_eq!([at(10.25), at(10.35), at(10.35)], [750.0, 850.0, 850.0]);
        // A clock that goes backwards stands.
        assert_eq!([at(10.0), at(10.45)], [850.0, 950.0]);
    }

    #[test]
    fn it_runs_as_the_process_does() {
        let clock = Clock::start();
        let begun = Instant::now();
        thread::sleep(Duration::from_millis(1_200));
        let (ran, went_by) = (clock.seconds(), begun.elapsed().as_secs_f64());
        assert!(ran > 1.0 && ran < went_by + 0.01, "{ran} of {went_by} s");
    }
}
