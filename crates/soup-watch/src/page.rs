//! The page around the pieces. It is whole without JavaScript, and then loads itself again from time to time.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use soup_report::live::Panel;

use super::{Drawn, Language};

/// Seconds after which a page without JavaScript loads itself again.
const AGAIN: &str = "15";

/// The page; `set` of the images that are in it.
pub fn page(
    drawn: &Drawn,
    language: Language,
    set: Option<u32>,
    images: Option<&Markup>,
) -> Markup {
    let words = language.words();
    let live = &words.live;
    let part = |wanted: Panel| {
        let found = drawn
            .parts(language)
            .iter()
            .find(|(part, _)| *part == wanted);
        let html = found.map_or("", |(_, html)| html.as_str());
        html! { div .part id=(wanted.name()) { (PreEscaped(html)) } }
    };
    let next = set.map_or(0, |set| set.wrapping_add(1));
    let [other, code] = live.other;
    html! {
        (DOCTYPE)
        html lang=(words.code) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "soup watch: " (drawn.name) }
                link rel="icon" type="image/svg+xml" href="icon.svg";
                link rel="stylesheet" href="page.css";
                link rel="stylesheet" href="watch.css";
                script src="watch.js" defer {}
                // Images are not computed again and again.
                @if set.is_none() {
                    noscript { meta http-equiv="refresh" content=(AGAIN); }
                }
            }
            body data-offline=(live.offline) data-pause=(live.pause) data-resume=(live.resume)
                data-predicting=(live.predicting) data-others=(live.predict_others) {
                header {
                    h1 { img src="icon.svg" alt="" width="32" height="32"; " " (drawn.name) }
                    div.choices {
                        button #pause type="button" hidden { (live.pause) }
                        a.button.quiet href={ "?language=" (code) } lang=(code) hreflang=(code) { (other) }
                    }
                }
                p #problem .message role="alert" hidden {}
                main.watch {
                    section aria-labelledby="run-title" {
                        h2 #run-title { (live.run) }
                        div role="status" { (part(Panel::Status)) }
                        (part(Panel::Facts))
                    }
                    section aria-labelledby="curves-title" {
                        h2 #curves-title { (live.curves) }
                        (part(Panel::Curves))
                    }
                    section aria-labelledby="folds-title" {
                        h2 #folds-title { (live.folds) }
                        (part(Panel::Folds))
                    }
                    section aria-labelledby="images-title" {
                        h2 #images-title { (live.images) }
                        p.soft { (live.predict_note) }
                        p {
                            a #look .button href={ "?language=" (words.code) "&set=" (next) "#images-title" }
                                data-set=(next) {
                                @if set.is_some() { (live.predict_others) } @else { (live.predict) }
                            }
                        }
                        div #images aria-live="polite" {
                            @if let Some(images) = images { (images) }
                        }
                    }
                    section aria-labelledby="settings-title" {
                        h2 #settings-title { (live.settings) }
                        (part(Panel::Settings))
                    }
                    section aria-labelledby="log-title" {
                        h2 #log-title { (live.log) }
                        (part(Panel::Log))
                    }
                }
                footer.faint { span { (live.stays) } }
            }
        }
    }
}
