//! What is counted, in the text format that Prometheus reads (exposition format 0.0.4).

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::connections::Closed;

/// Upper ends of the buckets of requests, in seconds.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper ends of the buckets of batches, in images.
const IMAGES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// Counters of a server.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// By route and status.
    requests: BTreeMap<(String, u16), u64>,
    /// By route.
    seconds: BTreeMap<String, Histogram<11>>,
    /// By model.
    images: BTreeMap<String, u64>,
    batches: Histogram<7>,
    busy: f64,
}

#[derive(Clone, Copy, Debug)]
struct Histogram<const N: usize> {
    buckets: [u64; N],
    count: u64,
    sum: f64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: [0; N],
            count: 0,
            sum: 0.0,
        }
    }
}

impl<const N: usize> Histogram<N> {
    fn note(&mut self, value: f64, ends: &[f64; N]) {
        for (bucket, end) in self.buckets.iter_mut().zip(ends) {
            *bucket += u64::from(value <= *end);
        }
        self.count += 1;
        self.sum += value;
    }

    /// `labels` is empty or ends in a comma.
    fn write(&self, text: &mut String, name: &str, labels: &str, ends: &[f64; N]) {
        for (bucket, end) in self.buckets.iter().zip(ends) {
            let _ = writeln!(text, "{name}_bucket{{{labels}le=\"{end}\"}} {bucket}");
        }
        let _ = writeln!(text, "{name}_bucket{{{labels}le=\"+Inf\"}} {}", self.count);
        let only = match labels.trim_end_matches(',') {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        let _ = writeln!(text, "{name}_sum{only} {}", self.sum);
        let _ = writeln!(text, "{name}_count{only} {}", self.count);
    }
}

/// What a server did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were answered, refusals among them.
    pub requests: u64,
    /// Images that the engine took.
    pub images: u64,
}

/// What is measured at the moment of asking.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// Images that wait.
    pub waiting: usize,
    /// Requests that are being answered.
    pub running: usize,
    /// Open connections.
    pub connections: usize,
    /// Bytes of answers that wait for their clients.
    pub answer_bytes: usize,
    /// Connections that the server closed, and why.
    pub closed: BTreeMap<Closed, u64>,
}

impl Metrics {
    /// A request was answered.
    pub fn note_request(&self, route: &str, status: u16, time: Duration) {
        let mut counts = self.counts();
        let requests = &mut counts.requests;
        *requests.entry((route.to_owned(), status)).or_default() += 1;
        let seconds = counts.seconds.entry(route.to_owned()).or_default();
        seconds.note(time.as_secs_f64(), &SECONDS);
    }

    /// The engine took this many images for a model.
    pub fn note_batch(&self, model: &str, images: usize) {
        let mut counts = self.counts();
        *counts.images.entry(model.to_owned()).or_default() += images as u64;
        counts.batches.note(images as f64, &IMAGES);
    }

    /// The engine worked for this long.
    pub fn note_busy(&self, time: Duration) {
        self.counts().busy += time.as_secs_f64();
    }

    /// Requests and images so far.
    pub fn totals(&self) -> Totals {
        let counts = self.counts();
        Totals {
            requests: counts.requests.values().sum(),
            images: counts.images.values().sum(),
        }
    }

    /// Everything as text.
    pub fn text(&self, gauges: Gauges) -> String {
        let counts = self.counts();
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, body: &dyn Fn(&mut String)| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            body(&mut text);
        };
        let name = "soup_requests_total";
        family(name, "counter", "Requests by route and status.", &|text| {
            for ((route, status), count) in &counts.requests {
                let labels = format!("route=\"{route}\",status=\"{status}\"");
                let _ = writeln!(text, "{name}{{{labels}}} {count}");
            }
        });
        let name = "soup_request_seconds";
        let help = "Time from the head of a request to its answer.";
        family(name, "histogram", help, &|text| {
            for (route, seconds) in &counts.seconds {
                seconds.write(text, name, &format!("route=\"{route}\","), &SECONDS);
            }
        });
        let name = "soup_pictures_total";
        family(name, "counter", "Images that the engine took.", &|text| {
            for (model, count) in &counts.images {
                let _ = writeln!(text, "{name}{{model=\"{model}\"}} {count}");
            }
        });
        let name = "soup_batch_pictures";
        family(name, "histogram", "Images taken together.", &|text| {
            counts.batches.write(text, name, "", &IMAGES);
        });
        let name = "soup_engine_busy_seconds_total";
        family(name, "counter", "Time that the engine worked.", &|text| {
            let _ = writeln!(text, "{name} {}", counts.busy);
        });
        let name = "soup_connections_closed_total";
        let help = "Connections that the server closed: silent (no request in time), unread (answer not taken in \
                    time), displaced (made room for another).";
        family(name, "counter", help, &|text| {
            for why in [Closed::Silent, Closed::Unread, Closed::Displaced] {
                let count = gauges.closed.get(&why).copied().unwrap_or(0);
                let _ = writeln!(text, "{name}{{reason=\"{}\"}} {count}", why.word());
            }
        });
        let values = [
            ("soup_waiting_pictures", "Images that wait.", gauges.waiting),
            (
                "soup_running_requests",
                "Requests being answered.",
                gauges.running,
            ),
            ("soup_connections", "Open connections.", gauges.connections),
            (
                "soup_answer_bytes",
                "Bytes of answers that wait for their clients.",
                gauges.answer_bytes,
            ),
        ];
        for (name, help, value) in values {
            family(name, "gauge", help, &|text| {
                let _ = writeln!(text, "{name} {value}");
            });
        }
        text
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Numbers are whole whoever panicked.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
