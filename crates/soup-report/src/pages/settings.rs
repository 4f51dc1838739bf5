//! The settings: what was chosen, and all of them.

use maud::{Markup, html};
use soup_train::config::{Config, compare::differences};

use super::grid;
use crate::{
    Run,
    words::{ENGLISH, Words},
};

pub(super) fn section(run: &Run) -> Markup {
    html! {
        h2 { "Settings" }
        (body(run, &ENGLISH))
    }
}

/// The settings without their title.
pub(crate) fn body(run: &Run, words: &Words) -> Markup {
    let own = differences(&Config::default().to_table(), &run.config.to_table());
    let rows: Vec<Vec<String>> = (own.into_iter())
        .map(|of| vec![of.key, of.new, of.old])
        .collect();
    html! {
        p.soft { (words.differs) }
        (grid(&words.setting_columns, &rows))
        details {
            summary { (words.all_settings) }
            pre tabindex="0" { (run.config.to_toml()) }
        }
    }
}
