//! How often the 95 % intervals of `soup evaluate` hold the truth, by simulation.
//!
//! ```sh
//! cargo run --release -p soup-learn --example coverage -- 1000 > coverage.csv
//! ```
//!
//! Draws so many tables of each law and size, and writes a line a law, size and score: the share of the
//! tables whose score had an interval, and of these intervals the share that held the score of a large table
//! of the same law. Tables are numbered from 0, so a second run writes the same bytes.
#![allow(clippy::print_stdout)]

mod law;

use std::collections::BTreeMap;
use std::thread;

use law::{Coverage, Judge, Law, coverage};

/// Cells of the table that stands for the truth.
const TRUTH: usize = 4_000_000;
/// Number of that table, far from all others.
const TRUTHS: u64 = 1 << 40;

fn main() {
    let sets: u64 = (std::env::args().nth(1).as_deref().unwrap_or("1000"))
        .parse()
        .unwrap_or(1000);
    println!("judge,labels,base,pictures,score,truth,printed,held,above");
    for judge in [
        Judge::Scores,
        Judge::Calibrated(1.0),
        Judge::Calibrated(1.8),
    ] {
        for (labels, common) in [(1, 0.0), (20, 0.3)] {
            for base in [0.5, 0.1, 0.02, 0.005] {
                let law = Law {
                    base,
                    labels,
                    judge,
                    common,
                };
                let truth = law.draw(TRUTH / labels, TRUTHS);
                let truth = truth.table().evaluate();
                let truths = serde_json::to_value(&truth).unwrap_or_default();
                for pictures in [100, 300, 1000, 5000] {
                    for (score, of) in many(&law, &truth, pictures, sets) {
                        let Coverage { printed, above, .. } = of;
                        println!(
                            "{judge:?},{labels},{base},{pictures},{score},{:.4},{:.3},{:.3},{:.3}",
                            truths[&score].as_f64().unwrap_or(f64::NAN),
                            printed as f64 / sets as f64,
                            of.share(),
                            above as f64 / printed as f64,
                        );
                    }
                }
            }
        }
    }
}

/// The coverage over all tables, on every core.
fn many(
    law: &Law,
    truth: &soup_learn::metrics::Evaluation,
    pictures: usize,
    sets: u64,
) -> BTreeMap<String, Coverage> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| sets * part / threads..sets * (part + 1) / threads)
            .map(|numbers| scope.spawn(move || coverage(law, truth, pictures, numbers)))
            .collect();
        let mut all: BTreeMap<String, Coverage> = BTreeMap::new();
        for part in parts {
            let part = part
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            for (score, of) in part {
                let all = all.entry(score).or_default();
                all.printed += of.printed;
                all.held += of.held;
                all.above += of.above;
            }
        }
        all
    })
}
