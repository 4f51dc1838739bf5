//! The most wrong images, and where the network saw what it was wrong about.

use maud::{Markup, html};

use crate::Judged;
use crate::images::{Heat, Shown, Wrong};
use crate::words::{ENGLISH, Words};

pub(super) fn section(judged: &Judged, number: usize) -> Markup {
    let maps = judged.wrong.iter().any(|wrong| !wrong.heats.is_empty());
    html! {
        @if !judged.wrong.is_empty() {
            h2 { "The most wrong images" }
            p.soft {
                "Largest loss first, each as the fold that held it out answered."
                @if maps {
                    " The red maps show where the network saw the labels that it was most wrong about, each from \
                     its own lowest value to its highest."
                } @else {
                    " Networks with model.head = \"label_map\" would show here where they saw what."
                }
            }
            ol.wrong {
                @for (place, wrong) in judged.wrong.iter().enumerate() {
                    li { (of(&ENGLISH, judged.labels(), wrong, &format!("w{number}-{place}"))) }
                }
            }
        }
    }
}

/// An image, what was answered, and its maps.
pub(crate) fn of(words: &Words, names: &[String], wrong: &Wrong, anchor: &str) -> Markup {
    let seen = &wrong.seen;
    let there: Vec<&str> = seen.labels.iter().map(|at| names[*at].as_str()).collect();
    let list = |of: &[(usize, f32)]| -> String {
        let words = of.iter().map(|(at, p)| format!("{} ({p:.2})", names[*at]));
        words.collect::<Vec<_>>().join(", ")
    };
    let is_in = |of: &[(usize, f32)], label: usize| of.iter().any(|(at, _)| *at == label);
    let alternative = (words.image_with)(&seen.id, &there.join(", "));
    html! {
        div {
            strong { (seen.id) }
            span.soft { ", " ((words.fold_and_loss)(seen.fold, wrong.loss)) }
            div { (words.there) ": " (there.join(", ")) }
            @if !wrong.missed.is_empty() { div { (words.missed) ": " (list(&wrong.missed)) } }
            @if !wrong.told.is_empty() { div { (words.told) ": " (list(&wrong.told)) } }
        }
        ul.panels {
            li { (image(&seen.image, anchor, &alternative)) (words.the_image) }
            @for heat in &wrong.heats {
                li {
                    (overlaid(&seen.image, anchor, heat, &(words.saw)(&names[heat.label])))
                    @if is_in(&wrong.missed, heat.label) { (words.missed) }
                    @else if is_in(&wrong.told, heat.label) { (words.told) }
                    @else { (words.found) }
                    " "
                    strong { (names[heat.label]) }
                    span.soft { ", " (words.peak) " " (format!("{:.2}", heat.peak)) }
                }
            }
        }
    }
}

/// An image that can be shown again by its name.
pub(super) fn image(shown: &Shown, anchor: &str, alternative: &str) -> Markup {
    html! {
        svg viewBox={ "0 0 " (shown.width) " " (shown.height) } role="img" aria-label=(alternative) {
            image id=(anchor) href=(shown.uri) width=(shown.width) height=(shown.height) {}
        }
    }
}

fn overlaid(shown: &Shown, anchor: &str, heat: &Heat, alternative: &str) -> Markup {
    html! {
        svg viewBox={ "0 0 " (shown.width) " " (shown.height) } role="img" aria-label=(alternative) {
            use href={ "#" (anchor) } {}
            image href=(heat.overlay.uri) width=(shown.width) height=(shown.height) preserveAspectRatio="none" {}
        }
    }
}
