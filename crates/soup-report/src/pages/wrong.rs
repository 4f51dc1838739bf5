//! The images of the largest loss, with heat maps of the labels that were predicted wrong.

use maud::{Markup, html};

use crate::Validation;
use crate::images::{HeatMap, InlineImage, Prediction};
use crate::words::{ENGLISH, Words};

pub(super) fn section(validation: &Validation, number: usize) -> Markup {
    let maps = validation.wrong.iter().any(|wrong| !wrong.heats.is_empty());
    html! {
        @if !validation.wrong.is_empty() {
            h2 { "Images with the largest loss" }
            p.soft {
                "Largest loss first. Each is predicted by the fold that held it out."
                @if maps {
                    " The red heat maps show where the network saw the labels of its worst predictions. Each is scaled \
                     to its own range."
                } @else {
                    " Networks with model.head = \"label_map\" show heat maps here."
                }
            }
            ol.wrong {
                @for (place, wrong) in validation.wrong.iter().enumerate() {
                    li { (of(&ENGLISH, validation.labels(), wrong, &format!("w{number}-{place}"))) }
                }
            }
        }
    }
}

/// An image, its labels, what was predicted wrong, and its heat maps.
pub(crate) fn of(words: &Words, names: &[String], wrong: &Prediction, anchor: &str) -> Markup {
    let sample = &wrong.sample;
    let labels: Vec<&str> = sample.labels.iter().map(|at| names[*at].as_str()).collect();
    let list = |of: &[(usize, f32)]| -> String {
        let words = of.iter().map(|(at, p)| format!("{} ({p:.2})", names[*at]));
        words.collect::<Vec<_>>().join(", ")
    };
    let is_in = |of: &[(usize, f32)], label: usize| of.iter().any(|(at, _)| *at == label);
    let alternative = (words.image_with)(&sample.id, &labels.join(", "));
    html! {
        div {
            strong { (sample.id) }
            span.soft { ", " ((words.fold_and_loss)(sample.fold, wrong.loss)) }
            div { (words.true_labels) ": " (labels.join(", ")) }
            @if !wrong.false_negatives.is_empty() { div { (words.false_negative) ": " (list(&wrong.false_negatives)) } }
            @if !wrong.false_positives.is_empty() { div { (words.false_positive) ": " (list(&wrong.false_positives)) } }
        }
        ul.panels {
            li { (image(&sample.image, anchor, &alternative)) (words.the_image) }
            @for heat in &wrong.heats {
                li {
                    (overlaid(&sample.image, anchor, heat, &(words.map_of)(&names[heat.label])))
                    @if is_in(&wrong.false_negatives, heat.label) { (words.false_negative) }
                    @else if is_in(&wrong.false_positives, heat.label) { (words.false_positive) }
                    @else { (words.true_positive) }
                    " "
                    strong { (names[heat.label]) }
                    span.soft { ", " (words.peak) " " (format!("{:.2}", heat.peak)) }
                }
            }
        }
    }
}

/// An image that `use` can show again by its id.
pub(super) fn image(shown: &InlineImage, anchor: &str, alternative: &str) -> Markup {
    html! {
        svg viewBox={ "0 0 " (shown.width) " " (shown.height) } role="img" aria-label=(alternative) {
            image id=(anchor) href=(shown.uri) width=(shown.width) height=(shown.height) {}
        }
    }
}

fn overlaid(shown: &InlineImage, anchor: &str, heat: &HeatMap, alternative: &str) -> Markup {
    html! {
        svg viewBox={ "0 0 " (shown.width) " " (shown.height) } role="img" aria-label=(alternative) {
            use href={ "#" (anchor) } {}
            image href=(heat.overlay.uri) width=(shown.width) height=(shown.height) preserveAspectRatio="none" {}
        }
    }
}
