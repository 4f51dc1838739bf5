//! The settings: what was chosen, and all of them.

use maud::{Markup, html};
use soup_learn::config::{Config, compare::differences};

use super::grid;
use crate::Run;

pub(super) fn section(run: &Run) -> Markup {
    let own = differences(&Config::default().to_table(), &run.config.to_table());
    let rows: Vec<Vec<String>> = (own.into_iter())
        .map(|of| vec![of.key, of.new, of.old])
        .collect();
    html! {
        h2 { "Settings" }
        p.soft { "What differs from the defaults." }
        (grid(&["setting", "value", "default"], &rows))
        details {
            summary { "All settings (config.toml)" }
            pre { (run.config.to_toml()) }
        }
    }
}
