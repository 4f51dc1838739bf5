//! The data: labels, folds, and some images.

use maud::{Markup, html};

use super::{grid, share, wrong};
use crate::Validation;
use crate::facts::DataFacts;
use crate::plots::{Axis, Bar, bars, figure};

/// More labels than this do not fit into the plot; the rarest are drawn.
const MOST_BARS: usize = 60;

pub(super) fn section(validation: &Validation, number: usize) -> Markup {
    let names = validation.labels();
    let found = &validation.found;
    let facts = DataFacts::of(&found.targets, &found.folds, names.len());
    let rows: Vec<Vec<String>> = (facts.folds.iter())
        .map(|fold| {
            let (label, apart) = match fold.furthest {
                Some((label, apart)) => (names[label].clone(), format!("{:+.1}", 100.0 * apart)),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let (images, each) = (fold.images.to_string(), format!("{:.2}", fold.labels_each));
            vec![fold.fold.to_string(), images, each, label, apart]
        })
        .collect();
    html! {
        h2 { "Data" }
        p {
            (found.ids.len()) " images"
            @if let Some(image) = validation.image { " of " (image) }
            ", " (names.len()) " labels, from " (found.labels_of.display()) "."
            @if facts.unknown > 0 {
                " " (facts.unknown) " of " (found.targets.len()) " labels of images are unknown; they neither teach nor count."
            }
            @if let Some(reason) = &validation.no_images { " No image is shown: " (reason) "." }
        }
        div.plots {
            (distribution(names, &facts))
            div {
                h3 { "Folds" }
                (grid(
                    &["#fold", "#images", "#labels each", "label furthest from all", "#by points"],
                    &rows,
                ))
                p.soft {
                    "Images that each fold holds out, and the label whose share differs most from that of all \
                     images, in hundredths."
                }
            }
        }
        @if !validation.samples.is_empty() {
            h3 { "Samples" }
            ul.images {
                @for (place, sample) in validation.samples.iter().enumerate() {
                    @let labels: Vec<&str> = sample.labels.iter().map(|at| names[*at].as_str()).collect();
                    @let alternative = format!("image {} with {}", sample.id, labels.join(", "));
                    li {
                        (wrong::image(&sample.image, &format!("s{number}-{place}"), &alternative))
                        strong { (sample.id) } " " (labels.join(" "))
                    }
                }
            }
        }
    }
}

fn distribution(names: &[String], facts: &DataFacts) -> Markup {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|a, b| facts.shares[*a].total_cmp(&facts.shares[*b]));
    let (rarest, commonest) = (order[0], order[order.len() - 1]);
    let alternative = format!(
        "Share of the images with each label: from {} ({}) to {} ({}).",
        share(facts.shares[rarest]),
        names[rarest],
        share(facts.shares[commonest]),
        names[commonest]
    );
    let cut = order.len() > MOST_BARS;
    if cut {
        order.truncate(MOST_BARS);
    } else {
        order.sort_unstable();
    }
    let drawn: Vec<Bar> = (order.iter())
        .map(|label| Bar {
            name: names[*label].clone(),
            value: facts.shares[*label],
            mark: None,
            words: format!("{}: {}", names[*label], share(facts.shares[*label])),
        })
        .collect();
    let axis = Axis::from_zero(
        "share of the images that have the label",
        facts.shares.iter().copied(),
    );
    let plot = bars(&axis, &drawn, &alternative);
    let note = match cut {
        true => format!("The rarest {MOST_BARS} of {} labels.", names.len()),
        false => String::new(),
    };
    figure("How often each label occurs", &plot, &[], &note)
}
