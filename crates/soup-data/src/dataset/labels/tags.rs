//! A column of tags: several in a cell, or one a row in several rows of an image.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Labels, LabelsFormat, MOST_CELLS, Separator, alike, box_table, count, gathered::Names,
};
use crate::ids::{is_image, place_of_name};
use crate::problems::Problems;
use crate::tables::{Columns, Table, is_label, is_missing};
use crate::{Error, Result};

/// What a table is.
pub(super) enum TableShape {
    /// A column a label.
    Cells,
    /// Columns of tags.
    Tags(Vec<usize>),
    /// A box a row.
    Boxes(box_table::BoxColumns),
}

/// Names of columns that hold tags, in lower case without anything but letters.
const TAGS: [&str; 15] = [
    "tags",
    "tag",
    "labels",
    "label",
    "classes",
    "class",
    "categories",
    "category",
    "findinglabels",
    "attributes",
    "attributeids",
    "genres",
    "genre",
    "annotations",
    "targets",
];

/// A name as it is compared: letters and digits in lower case.
pub(super) fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Tells by its content what a table is.
pub(super) fn shape_of(table: &Table, columns: &Columns) -> Result<TableShape> {
    let id = match &columns.id {
        Some(name) => table.column(name)?,
        None => 0,
    };
    let candidates: Vec<usize> = match &columns.labels {
        Some(names) => (names.iter().map(|name| table.column(name))).collect::<Result<_>>()?,
        None => (0..table.header().len())
            .filter(|at| {
                let name = &table.header()[*at];
                *at != id && place_of_name(&columns.ignored, name).is_none()
            })
            .collect(),
    };
    if columns.format == Some(LabelsFormat::Table) || table.is_empty() {
        return Ok(TableShape::Cells);
    }
    let may_be_boxes = columns.format.is_none() && columns.labels.is_none();
    if may_be_boxes || columns.format == Some(LabelsFormat::BoxTable) {
        match box_table::BoxColumns::of(table, columns)? {
            Some(found) => return Ok(TableShape::Boxes(found)),
            None if may_be_boxes => {}
            None => return Err(box_table::no_columns(table)),
        }
    }
    if columns.format == Some(LabelsFormat::Tags) {
        if candidates.len() != 1 && columns.labels.is_none() {
            let named: Vec<usize> = (candidates.iter().copied())
                .filter(|at| TAGS.contains(&plain(&table.header()[*at]).as_str()))
                .collect();
            return match named[..] {
                [only] => Ok(TableShape::Tags(vec![only])),
                _ => Err(Error::table(
                    table.path(),
                    table.header_line(),
                    "which column holds the tags? name it with --label-columns",
                )),
            };
        }
        return Ok(TableShape::Tags(candidates));
    }
    if let [only] = candidates[..] {
        return Ok(match holds_tags(table, only) {
            true => TableShape::Tags(candidates),
            false => TableShape::Cells,
        });
    }
    if columns.labels.is_some() {
        return Ok(TableShape::Cells);
    }
    // One column is called so and holds words, and none of the others could be a label.
    let (named, others): (Vec<usize>, Vec<usize>) = (candidates.into_iter())
        .partition(|at| TAGS.contains(&plain(&table.header()[*at]).as_str()));
    match named[..] {
        [only] if holds_tags(table, only) && !others.iter().any(|at| may_be_label(table, *at)) => {
            Ok(TableShape::Tags(named))
        }
        _ => Ok(TableShape::Cells),
    }
}

/// The one column of tags of a sample submission, and what parts them: spaces, where no cell says. None for a sample with
/// a column a label.
///
/// # Errors
/// Cells that leave in doubt what parts them.
pub fn tags_of_sample(table: &Table) -> Result<Option<(usize, Separator)>> {
    let [_, name] = table.header() else {
        return Ok(None);
    };
    let is_blank = cells(table, 1).next().is_none();
    if !TAGS.contains(&plain(name).as_str()) || !(is_blank || holds_tags(table, 1)) {
        return Ok(None);
    }
    Ok(Some(match is_blank {
        true => (1, Separator::Space),
        false => (1, separator_of(table, &[1])?),
    }))
}

fn cells(table: &Table, column: usize) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let cells = (0..table.len()).map(move |row| table.cell(row, column));
    cells.filter(|cell| !is_missing(cell))
}

/// Whether a column could be one of labels: what stands in it is 0 or 1.
pub(super) fn may_be_label(table: &Table, column: usize) -> bool {
    cells(table, column).all(|cell| is_label(table, &cell))
}

/// Whether a column holds tags rather than 0 and 1 with slips among them.
fn holds_tags(table: &Table, column: usize) -> bool {
    let (mut all, mut labels, mut numbers) = (0, 0, 0);
    for cell in cells(table, column) {
        all += 1;
        labels += usize::from(is_label(table, &cell));
        // Class numbers are whole; anything else is meant as a probability.
        numbers += usize::from(cell.parse::<f64>().is_ok() && cell.parse::<u64>().is_err());
    }
    all > 0 && labels * 2 < all && numbers == 0
}

/// Reads columns of tags.
pub(super) fn read(table: &Table, columns: &Columns, tags: &[usize]) -> Result<(Labels, Problems)> {
    let id_column = table.id_column(columns.id.as_deref())?;
    if columns.id.is_none() && is_image(&table.header()[0]) {
        return Err(Error::table(
            table.path(),
            table.header_line(),
            format!(
                "this looks like a row (`{}`), not like a header; put a header such as `file,tags` before it",
                table.header()[0]
            ),
        ));
    }
    let names_of_columns = tags.iter().map(|at| format!("`{}`", table.header()[*at]));
    let names_of_columns = names_of_columns.collect::<Vec<_>>().join(", ");
    let separator = match columns.separator {
        Some(separator) => separator,
        None => separator_of(table, tags)?,
    };
    let mut problems = Problems::default();
    let mut known = Names::default();
    let (mut ids, mut lines): (Vec<String>, Vec<u64>) = (vec![], vec![]);
    let mut of_ids: Vec<BTreeSet<usize>> = vec![];
    // Only looked up, never iterated: its order reaches nothing.
    let mut places: HashMap<String, usize> = HashMap::new();
    let (mut again, mut same) = (0, 0);
    for row in 0..table.len() {
        let id = table.cell(row, id_column).into_owned();
        if id.is_empty() {
            let name = &table.header()[id_column];
            let problem = format!("column `{name}` is empty; each row needs an id");
            problems.push(Error::table(table.path(), table.line(row), problem));
            continue;
        }
        let place = match places.get(&id) {
            Some(place) => {
                again += 1;
                *place
            }
            None => {
                places.insert(id.clone(), ids.len());
                ids.push(id);
                lines.push(table.line(row));
                of_ids.push(BTreeSet::new());
                ids.len() - 1
            }
        };
        for column in tags {
            match split(&table.cell(row, *column), separator) {
                Ok(found) => {
                    for tag in found {
                        same += usize::from(!of_ids[place].insert(known.place(&tag)));
                    }
                }
                Err(problem) => {
                    problems.push(Error::table(table.path(), table.line(row), problem));
                }
            }
        }
    }
    let (names, order) = known.sorted();
    if names.is_empty() {
        let problem = format!("there is no tag in {names_of_columns}");
        let nothing = Error::table(table.path(), table.header_line(), problem);
        problems.check()?;
        return Err(nothing);
    }
    if ids.len().saturating_mul(names.len()) > MOST_CELLS {
        return Err(Error::table(
            table.path(),
            table.header_line(),
            format!(
                "{names_of_columns} has {} different tags for {} images: is it free text? name another column with \
                 --label-columns",
                names.len(),
                ids.len()
            ),
        ));
    }
    let mut labels = vec![0; ids.len() * names.len()];
    for (row, tags) in of_ids.iter().enumerate() {
        for tag in tags {
            labels[row * names.len() + order[*tag]] = 1;
        }
    }
    let mut notes = table.notes().to_vec();
    let how = match separator {
        Separator::Space => "separated by spaces",
        Separator::Comma => "separated by commas",
        Separator::Semicolon => "separated by semicolons",
        Separator::Pipe => "separated by |",
        Separator::List => "as lists",
        Separator::None => "one a row",
    };
    let column = if tags.len() == 1 {
        "a column"
    } else {
        "columns"
    };
    notes.push(format!(
        "labels: {column} of tags ({names_of_columns}), {how}, {}",
        count(names.len(), "label")
    ));
    let others = table.header().len() - 1 - tags.len();
    if others > 0 && columns.labels.is_none() {
        notes.push(format!(
            "labels: {} beside it hold no labels (--label-columns chooses)",
            count(others, "column")
        ));
    }
    if again > 0 {
        notes.push(format!(
            "labels: {again} rows are for images that an earlier row names; an image has the labels of all its rows"
        ));
    }
    if same > 0 {
        notes.push(format!(
            "labels: {same} times an image has the same tag again"
        ));
    }
    let without = of_ids.iter().filter(|tags| tags.is_empty()).count();
    if without > 0 {
        notes.push(format!(
            "labels: {without} images have no tag: none of the labels is there"
        ));
    }
    notes.extend(alike(&names));
    let read = Labels {
        format: LabelsFormat::Tags,
        ids,
        rows: lines,
        names,
        labels,
        marks: None,
        notes,
    };
    Ok((read, problems))
}

/// What parts the tags of these columns, where their cells leave no doubt.
fn separator_of(table: &Table, tags: &[usize]) -> Result<Separator> {
    let cells: BTreeSet<String> = (tags.iter())
        .flat_map(|column| cells(table, *column))
        .map(|cell| cell.into_owned())
        .collect();
    let doubt = |problem: String| Error::table(table.path(), table.header_line(), problem);
    if !cells.is_empty() && cells.iter().all(|cell| is_list(cell)) {
        return Ok(Separator::List);
    }
    let holds = |letter: char| cells.iter().find(|cell| cell.contains(letter));
    let signs = [
        ('|', Separator::Pipe, "pipe"),
        (';', Separator::Semicolon, "semicolon"),
        (',', Separator::Comma, "comma"),
    ];
    let found: Vec<_> = (signs.into_iter())
        .filter_map(|(letter, separator, name)| Some((holds(letter)?, separator, name)))
        .collect();
    match found[..] {
        [] => {}
        [(_, separator, _)] => return Ok(separator),
        [(one, _, first), (other, _, second), ..] => {
            return Err(doubt(format!(
                "what parts the tags? there are `{one}` and `{other}`: --separator {first} or --separator {second} says"
            )));
        }
    }
    let words =
        |cell: &str| -> BTreeSet<String> { cell.split_whitespace().map(str::to_owned).collect() };
    // In how many different cells each word stands.
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for cell in &cells {
        words(cell)
            .into_iter()
            .for_each(|word| *uses.entry(word).or_default() += 1);
    }
    let several = cells.iter().filter(|cell| words(cell).len() > 1);
    let (mut all, mut elsewhere) = (0, 0);
    for word in several.clone().flat_map(|cell| words(cell)) {
        all += 1;
        elsewhere += usize::from(uses[&word] > 1);
    }
    // Tags combine with others; words of a name mostly stand in that name alone.
    match several.clone().next() {
        None => Ok(Separator::None),
        Some(_) if elsewhere * 10 >= all * 8 => Ok(Separator::Space),
        Some(_) if elsewhere == 0 => Ok(Separator::None),
        Some(example) => Err(doubt(format!(
            "is `{example}` one tag or are there several? --separator none or --separator space says"
        ))),
    }
}

fn is_list(cell: &str) -> bool {
    [('[', ']'), ('(', ')'), ('{', '}')]
        .iter()
        .any(|(first, last)| cell.starts_with(*first) && cell.ends_with(*last) && cell.len() > 1)
}

/// The tags of a cell; none where it says that nothing is there.
pub(super) fn split(cell: &str, separator: Separator) -> Result<Vec<String>, String> {
    if is_missing(cell) {
        return Ok(vec![]);
    }
    let parted = |letter: char| -> Vec<String> {
        let tags = cell.split(letter).map(str::trim);
        tags.filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect()
    };
    Ok(match separator {
        Separator::Space => cell.split_whitespace().map(str::to_owned).collect(),
        Separator::Comma => parted(','),
        Separator::Semicolon => parted(';'),
        Separator::Pipe => parted('|'),
        Separator::None => vec![cell.to_owned()],
        Separator::List => list(cell).ok_or_else(|| {
            format!("`{cell}` is no list of tags such as [\"a\", \"b\"]; correct it")
        })?,
    })
}

/// A list as JSON, Python or NumPy write it.
fn list(cell: &str) -> Option<Vec<String>> {
    if !is_list(cell) {
        return None;
    }
    let mut rest = cell[1..cell.len() - 1].trim();
    let mut tags = Vec::new();
    while let Some(first) = rest.chars().next() {
        let tag = match first {
            '\'' | '"' => {
                let mut tag = String::new();
                let mut letters = rest.char_indices().skip(1);
                let end = loop {
                    match letters.next()? {
                        (at, letter) if letter == first => break at,
                        (_, '\\') => tag.push(match letters.next()?.1 {
                            'n' => '\n',
                            't' => '\t',
                            'u' => {
                                let code: String =
                                    letters.by_ref().take(4).map(|(_, letter)| letter).collect();
                                char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
                            }
                            letter => letter,
                        }),
                        (_, letter) => tag.push(letter),
                    }
                };
                rest = &rest[end + first.len_utf8()..];
                tag
            }
            _ => {
                let end = rest.find([',', '\'', '"']).unwrap_or(rest.len());
                let tag = rest[..end].trim().to_owned();
                rest = &rest[end..];
                tag
            }
        };
        if !tag.trim().is_empty() {
            tags.push(tag.trim().to_owned());
        }
        rest = rest.trim_start();
        // NumPy writes no commas.
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_are_read_as_json_and_python_write_them() {
        for (cell, tags) in [
            ("[]", &[][..]),
            ("[\"a b\", \"c\"]", &["a b", "c"]),
            ("['a', \"it's\"]", &["a", "it's"]),
            ("['a' 'b']", &["a", "b"]),
            ("('a',)", &["a"]),
            ("{'a', 'b'}", &["a", "b"]),
            ("[1, 2]", &["1", "2"]),
            ("[cat, my dog]", &["cat", "my dog"]),
            ("['a\\'b', 'c\\u00e9']", &["a'b", "cé"]),
        ] {
            assert_eq!(list(cell).unwrap(), tags, "{cell}");
        }
        for cell in ["[\"a", "['a]", "a, b", "[", "['\\u00'"] {
            assert_eq!(list(cell), None, "{cell}");
        }
    }
}
