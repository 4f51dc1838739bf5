//! Where the tensors are among what a file holds besides.

use super::pickle::Pickle;
use super::value::{Id, Value, View};

/// Keys under which training programs keep the tensors, the first that is there before the others: averages of weights are
/// better than the weights, so timm takes them first, too.
const WRAPPERS: [&str; 4] = ["state_dict_ema", "model_ema", "state_dict", "model"];
/// What wrappers of modules put before every name: `DataParallel`, `torch.compile`, Lightning.
const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "model."];
/// Wrappers within wrappers.
const DEEPEST: usize = 4;

/// Tensors in their order.
#[derive(Debug)]
pub(super) struct Found<'p, 'a> {
    pub tensors: Vec<(String, &'p View<'a>)>,
    /// Names of what stands among them and is no tensor.
    pub others: Vec<String>,
    /// What was taken off.
    pub notes: Vec<String>,
}

/// The tensors of a pickle, or what it holds in their place.
pub(super) fn find<'p, 'a>(pickle: &'p Pickle<'a>) -> Result<Found<'p, 'a>, String> {
    let mut entries = dictionary(pickle, pickle.root).ok_or_else(|| {
        "it holds no dictionary of tensors; save the state_dict of the module".to_owned()
    })?;
    let mut notes = Vec::new();
    for _ in 0..DEEPEST {
        let inner = WRAPPERS.iter().find_map(|wrapper| {
            let held = entries.iter().rev().find(|(key, _)| key == wrapper)?;
            Some((wrapper, dictionary(pickle, held.1)?))
        });
        let Some((wrapper, inner)) = inner else { break };
        notes.push(format!("what it holds as '{wrapper}'"));
        entries = inner;
    }
    let (mut tensors, mut others) = (Vec::new(), Vec::new());
    for (name, id) in &entries {
        match pickle.value(*id) {
            Value::Tensor(view) => tensors.push(((*name).to_owned(), &**view)),
            _ => others.push((*name).to_owned()),
        }
    }
    if tensors.is_empty() {
        let keys: Vec<String> = others
            .iter()
            .take(5)
            .map(|key| format!("'{key}'"))
            .collect();
        return Err(match keys.is_empty() {
            true => "its dictionary is empty".to_owned(),
            false => format!("it holds no tensors but {}", keys.join(", ")),
        });
    }
    while let Some(prefix) = PREFIXES
        .iter()
        .find(|prefix| tensors.iter().all(|(name, _)| name.starts_with(**prefix)))
    {
        for (name, _) in &mut tensors {
            name.drain(..prefix.len());
        }
        notes.push(format!("names without '{prefix}'"));
    }
    Ok(Found {
        tensors,
        others,
        notes,
    })
}

/// The entries of a dictionary; those whose key is no text are left out, as no tensor has such a name.
fn dictionary<'a>(pickle: &Pickle<'a>, id: Id) -> Option<Vec<(&'a str, Id)>> {
    let Value::Dictionary(entries) = pickle.value(id) else {
        return None;
    };
    let entries = entries
        .iter()
        .filter_map(|(key, value)| match pickle.value(*key) {
            Value::Text(key) => Some((*key, *value)),
            _ => None,
        });
    Some(entries.collect())
}
