//! A table with a box a row, as TensorFlow's object detection and Roboflow write it.

use std::collections::HashMap;

use super::{
    Labels, LabelsFormat, MOST_CELLS, Mark, Marks, count,
    gathered::Names,
    tags::{may_be_label, plain},
};
use crate::problems::Problems;
use crate::tables::{Columns, Table, is_missing};
use crate::{Error, Result};

/// Where the parts of a box stand.
pub(super) struct BoxColumns {
    class: usize,
    /// Left, top, and right, bottom or width, height.
    sides: [usize; 4],
    /// Whether the last two are a size.
    are_sizes: bool,
    /// Width and height of the image.
    image: Option<[usize; 2]>,
}

impl BoxColumns {
    /// The columns of a box, by their names; none where the table has no boxes.
    pub(super) fn of(table: &Table, columns: &Columns) -> Result<Option<Self>> {
        let names: Vec<String> = table.header().iter().map(|name| plain(name)).collect();
        let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let corners = [
            column(&["xmin", "x1", "left", "minx", "bboxxmin", "bboxx1", "x0"]),
            column(&["ymin", "y1", "top", "miny", "bboxymin", "bboxy1", "y0"]),
            column(&["xmax", "x2", "right", "maxx", "bboxxmax", "bboxx2"]),
            column(&["ymax", "y2", "bottom", "maxy", "bboxymax", "bboxy2"]),
        ];
        // Where the first corner is 0, the second is 1.
        let zero_based = [
            column(&["x0"]),
            column(&["y0"]),
            column(&["x1"]),
            column(&["y1"]),
        ];
        let sizes = [
            column(&["bboxx", "x"]),
            column(&["bboxy", "y"]),
            column(&["bboxwidth", "bboxw", "w"]),
            column(&["bboxheight", "bboxh", "h"]),
        ];
        let whole = |sides: [Option<usize>; 4]| match sides {
            [Some(left), Some(top), Some(right), Some(bottom)] => Some([left, top, right, bottom]),
            _ => None,
        };
        let (sides, are_sizes) = match (whole(zero_based), whole(corners), whole(sizes)) {
            (Some(sides), _, _) | (None, Some(sides), _) => (sides, false),
            (None, None, Some(sides)) => (sides, true),
            _ => return Ok(None),
        };
        let class = match &columns.labels {
            Some(names) => match &names[..] {
                [only] => Some(table.column(only)?),
                _ => None,
            },
            None => column(&[
                "class",
                "classname",
                "label",
                "labelname",
                "category",
                "categoryname",
                "object",
                "tag",
                "name",
            ]),
        };
        let is_asked_for = columns.format == Some(LabelsFormat::BoxTable);
        // Labels may be called x, y, w and h, too: a box is no four cells of 0 and 1.
        let are_labels = sides.iter().all(|side| may_be_label(table, *side));
        if !is_asked_for && (are_labels || (class.is_none() && are_sizes)) {
            return Ok(None);
        }
        let Some(class) = class else {
            return Err(Error::table(
                table.path(),
                table.header_line(),
                "there are boxes, but no column `class` that says of what; name it with --label-columns, or give \
                 --labels-format table",
            ));
        };
        let image = [
            column(&["width", "imagewidth", "imgwidth", "imagew", "imgw"]),
            column(&["height", "imageheight", "imgheight", "imageh", "imgh"]),
        ];
        Ok(Some(Self {
            class,
            sides,
            are_sizes,
            image: match image {
                [Some(width), Some(height)] => Some([width, height]),
                _ => None,
            },
        }))
    }
}

/// The error for a table that was said to hold boxes.
pub(super) fn no_columns(table: &Table) -> Error {
    Error::table(
        table.path(),
        table.header_line(),
        "there are no boxes: a table of boxes has columns such as filename, class, xmin, ymin, xmax, ymax",
    )
}

/// Reads a table of boxes: the labels of an image are the classes of its boxes.
pub(super) fn read(
    table: &Table,
    columns: &Columns,
    found: &BoxColumns,
) -> Result<(Labels, Problems)> {
    let id_column = match columns.id.as_deref() {
        Some(name) => table.id_column(Some(name))?,
        None => {
            let names = [
                "filename",
                "file",
                "image",
                "imageid",
                "imagename",
                "path",
                "id",
            ];
            let header = table.header();
            let known = (0..header.len()).find(|at| names.contains(&plain(&header[*at]).as_str()));
            table.id_column(known.map(|at| header[at].as_str()))?
        }
    };
    let mut problems = Problems::default();
    let mut known = Names::default();
    let (mut ids, mut lines): (Vec<String>, Vec<u64>) = (vec![], vec![]);
    let mut marks: Vec<Marks> = vec![];
    // Only looked up, never iterated: its order reaches nothing.
    let mut places: HashMap<String, usize> = HashMap::new();
    let (mut boxes, mut largest) = (0, 0.0f64);
    for row in 0..table.len() {
        let id = table.cell(row, id_column).into_owned();
        let line = table.line(row);
        let mut wrong = |problem: String| problems.push(Error::table(table.path(), line, problem));
        if id.is_empty() {
            wrong("there is no name of an image; each row needs one".into());
            continue;
        }
        let place = *places.entry(id.clone()).or_insert_with(|| {
            ids.push(id);
            lines.push(line);
            marks.push(Marks::default());
            ids.len() - 1
        });
        let class = table.cell(row, found.class);
        let cells = found.sides.map(|column| table.cell(row, column));
        if cells.iter().all(|cell| is_missing(cell)) && is_missing(&class) {
            continue;
        }
        if class.is_empty() {
            wrong("the class of the box is empty; name it".into());
            continue;
        }
        let number = |cell: &str| table.number(cell).map(f64::from);
        let sides = [0, 1, 2, 3].map(|side| number(&cells[side]));
        let [Some(left), Some(top), Some(right), Some(bottom)] = sides else {
            let cells: Vec<&str> = cells.iter().map(|cell| &**cell).collect();
            wrong(format!("`{}` is no box of four numbers", cells.join(", ")));
            continue;
        };
        let (right, bottom) = match found.are_sizes {
            true => (left + right, top + bottom),
            false => (right, bottom),
        };
        if right <= left || bottom <= top {
            wrong(format!(
                "the box from {left}, {top} to {right}, {bottom} has no area; correct it or remove the row"
            ));
            continue;
        }
        if let Some(image) = found.image {
            let [width, height] = image.map(|column| number(&table.cell(row, column)));
            if let (Some(width), Some(height)) = (width, height) {
                marks[place].frame = Marks::frame_of(width, height);
            }
        }
        largest = largest.max(right).max(bottom);
        boxes += 1;
        marks[place].boxes.push(Mark {
            label: known.place(&class),
            sides: [left, top, right, bottom],
        });
    }
    let (names, order) = known.sorted();
    if names.is_empty() && problems.is_empty() {
        return Err(Error::table(
            table.path(),
            table.header_line(),
            "there is no box in the table",
        ));
    }
    if ids.len().saturating_mul(names.len()) > MOST_CELLS {
        return Err(Error::table(
            table.path(),
            table.header_line(),
            format!(
                "`{}` has {} different classes for {} images; is it another column? --label-columns names it",
                table.header()[found.class],
                names.len(),
                ids.len()
            ),
        ));
    }
    let mut labels = vec![0; ids.len() * names.len()];
    let are_shares = found.image.is_none() && largest <= 1.0;
    for (row, marks) in marks.iter_mut().enumerate() {
        if are_shares {
            marks.frame = Marks::SHARES;
        }
        for mark in &mut marks.boxes {
            mark.label = order[mark.label];
            labels[row * names.len() + mark.label] = 1;
        }
    }
    let mut notes = table.notes().to_vec();
    notes.push(format!(
        "labels: a table of boxes (`{}`), {} in {}, {}",
        table.header()[found.class],
        count(boxes, "box").replace("boxs", "boxes"),
        count(ids.len(), "image"),
        count(names.len(), "label")
    ));
    let read = Labels {
        format: LabelsFormat::BoxTable,
        ids,
        rows: lines,
        names,
        labels,
        marks: Some(marks),
        notes,
    };
    Ok((read, problems))
}
