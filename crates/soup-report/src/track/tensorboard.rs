//! TensorBoard's event files.

use std::{path::Path, time::UNIX_EPOCH};

use soup_train::{
    Error,
    runs::{
        RunDirectory,
        files::{make_folder, write_bytes},
    },
};

use super::{
    begun,
    events::{Event, Summary, Value, append},
    figures, timed,
};
use crate::Run;

/// A name that TensorBoard looks for. Always the same, so that a file that is written again takes the
/// place of the old one and no epoch is there twice.
const FILE: &str = "events.out.tfevents.0.soup";

/// Writes `folder/RUN/fold0/events...` and so on: a scalar a figure and epoch, the epoch as its step.
/// Gives the number of epochs that were written.
///
/// # Errors
/// [`Error::File`], and [`Error::Format`] for a damaged record of the run.
pub fn write(run: &Run, folder: &Path) -> Result<usize, Error> {
    let directory = RunDirectory::at(&run.path);
    let mut written = 0;
    for fold in run.begun() {
        let records: Vec<_> = run.of_fold(fold).cloned().collect();
        let begun = begun(directory.fold(fold).root())?;
        let seconds = |moment: std::time::SystemTime| {
            let since = moment.duration_since(UNIX_EPOCH);
            since.map_or(0.0, |since| since.as_secs_f64())
        };
        let mut file = Vec::new();
        append(
            &mut file,
            &Event {
                wall_time: seconds(begun),
                file_version: Some("brain.Event:2".to_owned()),
                ..Event::default()
            },
        );
        for (moment, record) in timed(&records, begun) {
            let value = figures(record).into_iter().map(|(tag, value)| Value {
                tag: tag.to_owned(),
                simple_value: Some(value as f32),
            });
            let event = Event {
                wall_time: seconds(moment),
                step: record.epoch as i64,
                file_version: None,
                summary: Some(Summary {
                    value: value.collect(),
                }),
            };
            append(&mut file, &event);
            written += 1;
        }
        let place = folder.join(&run.name).join(format!("fold{fold}"));
        make_folder(&place)?;
        write_bytes(&place.join(FILE), &file)?;
    }
    Ok(written)
}
