//! How often the 95 % intervals of `soup evaluate` hold the truth, by simulation.
//!
//! ```sh
//! cargo run --release -p soup-decide --example coverage -- 1000 > coverage.csv
//! cargo run --release -p soup-decide --example coverage -- 1000 apart > apart.csv
//! ```
//!
//! Draws so many tables of each distribution and size, and writes a line a distribution, size and score: the share of the
//! tables whose score had an interval, and of these intervals the share that held the score of endlessly many
//! images of the same distribution. With `apart`: how often one of two equal classifiers of the same images was called the
//! better one. Tables are numbered from 0, so a second run writes the same bytes.
#![allow(clippy::print_stdout)]

mod distribution;

use std::collections::BTreeMap;
use std::thread;

use distribution::{Classifier, Coverage, Distribution, coverage, found_different};

/// Images of a table.
const IMAGES: [usize; 4] = [100, 300, 1000, 5000];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let sets: u64 = arguments
        .next()
        .map_or(1000, |text| text.parse().unwrap_or(1000));
    let distributions = [
        Classifier::Scores,
        Classifier::Calibrated(1.0),
        Classifier::Calibrated(1.8),
    ]
    .into_iter()
    .flat_map(|classifier| {
        let alike = |base| (base, base);
        // The last is a long tail.
        let bases = [0.5, 0.1, 0.02, 0.005].map(alike).into_iter();
        let one = bases.clone().map(|bases| (1, 0.0, bases));
        let many = bases.chain([(0.5, 0.005)]).map(|bases| (20, 0.3, bases));
        let of = move |(labels, common, (base, last))| Distribution {
            base,
            last,
            labels,
            classifier,
            common,
        };
        one.chain(many).map(of)
    });
    if arguments.next().as_deref() == Some("apart") {
        println!("judge,labels,base,last,images,alike,accuracy,exact_match,loss");
        for distribution in distributions {
            for (images, alike) in IMAGES.into_iter().flat_map(|of| [(of, 0.5), (of, 0.9)]) {
                let parts = on_every_core(sets, |numbers| {
                    let all = (numbers.end - numbers.start) as f64;
                    found_different(&distribution, images, alike, numbers).map(|share| share * all)
                });
                let mut apart = [0.0; 3];
                for part in parts {
                    (apart.iter_mut().zip(part)).for_each(|(all, own)| *all += own / sets as f64);
                }
                let [accuracy, exact, loss] = apart;
                println!(
                    "{},{images},{alike},{accuracy:.3},{exact:.3},{loss:.3}",
                    name(&distribution)
                );
            }
        }
        return;
    }
    println!("judge,labels,base,last,images,score,truth,printed,held,above");
    for distribution in distributions {
        let truth = distribution.truth();
        for images in IMAGES {
            let parts = on_every_core(sets, |numbers| {
                coverage(&distribution, &truth, images, numbers)
            });
            let mut all: BTreeMap<String, Coverage> = BTreeMap::new();
            for (score, of) in parts.into_iter().flatten() {
                let all = all.entry(score).or_default();
                all.printed += of.printed;
                all.held += of.held;
                all.above += of.above;
            }
            for (score, of) in all {
                println!(
                    "{},{images},{score},{:.4},{:.3},{:.3},{:.3}",
                    name(&distribution),
                    truth[&score],
                    of.printed as f64 / sets as f64,
                    of.share(),
                    of.above as f64 / of.printed as f64,
                );
            }
        }
    }
}

fn name(distribution: &Distribution) -> String {
    let Distribution {
        classifier,
        labels,
        base,
        last,
        ..
    } = distribution;
    format!("{classifier:?},{labels},{base},{last}")
}

/// What `work` makes of the numbers of all tables, cut among the cores.
fn on_every_core<T: Send>(sets: u64, work: impl Fn(std::ops::Range<u64>) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| sets * part / threads..sets * (part + 1) / threads)
            .map(|numbers| scope.spawn(|| work(numbers)))
            .collect();
        let join = |part: thread::ScopedJoinHandle<'_, T>| {
            part.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().map(join).collect()
    })
}
