//! The house: every crate uses only crates below it, answering needs no training, and one crate knows engines by name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// From the ground up: a crate uses those before it alone.
const LAYERS: [&str; 18] = [
    "soup-random",
    "soup-threads",
    "soup-graph",
    "soup-zoo",
    "soup-engine",
    "soup-cpu",
    "soup-devices",
    "soup-data",
    "soup-compose",
    "soup-decide",
    "soup-model",
    "soup",
    "soup-serve",
    "soup-train",
    "soup-sweep",
    "soup-report",
    "soup-watch",
    "soup-cli",
];

/// The crates of ours that each crate uses, tests aside.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut uses = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let below = manifest.get("dependencies").and_then(|all| all.as_table());
        let names = below.into_iter().flat_map(|below| below.keys());
        let ours = names.filter(|name| name.starts_with("soup"));
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        uses.insert(name, ours.cloned().collect());
    }
    uses
}

/// What a crate uses, and what that uses.
fn all_below(uses: &BTreeMap<String, BTreeSet<String>>, name: &str) -> BTreeSet<String> {
    let mut found = uses[name].clone();
    for below in &uses[name] {
        found.extend(all_below(uses, below));
    }
    found
}

#[test]
fn no_crate_uses_one_above_it() {
    let uses = uses();
    let layer = |name: &str| {
        let found = LAYERS.iter().position(|layer| *layer == name);
        found.unwrap_or_else(|| panic!("{name} has no layer yet: say where it belongs"))
    };
    for (name, below) in &uses {
        for other in below {
            assert!(
                layer(other) < layer(name),
                "{name} uses {other}, which is above it"
            );
        }
    }
}

#[test]
fn answering_needs_no_training() {
    let uses = uses();
    for name in ["soup", "soup-serve", "soup-model"] {
        let below = all_below(&uses, name);
        for other in ["soup-train", "soup-sweep", "soup-report"] {
            assert!(!below.contains(other), "{name} needs {other}");
        }
    }
}

#[test]
fn engines_are_known_by_name_in_one_place() {
    let uses = uses();
    let above = uses.iter().filter(|(_, below)| below.contains("soup-cpu"));
    let names: Vec<&String> = above.map(|(name, _)| name).collect();
    assert_eq!(names, ["soup-devices"]);
}
