//! Makes a pack: every image decoded once, on all cores, into one array.
//!
//! The pack grows in `X.pack.building` and gets its name when it is whole. A run that was killed
//! goes on: blocks that the journal names are kept where the pixels still have the hash noted and
//! the image's file is unchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use super::manifest::{self, Hashes, Manifest};
use super::progress::{Done, Journal};
use super::{FOLDS, IMAGES, Pack};
use crate::dataset::{
    Channels, Dataset, Decoder, FileReader, Fit, Reading, content_hash, formats, image_shape,
};
use crate::files::{sync_parent, write_whole};
use crate::folds::Folds;
use crate::npy::images;
use crate::problems::Problems;
use crate::{Annotation, Error, ImageShape, Result};

/// A block of images is at most this large, so that memory does not grow with their number.
const BLOCK_BYTES: usize = 4 << 20;
const BLOCK_IMAGES: usize = 64;

/// How to make a pack.
#[derive(Clone, Copy, Default)]
pub struct PackOptions<'a> {
    /// What becomes of channels and of 16 bits.
    pub reading: Reading,
    /// How images are brought to one size where they have several and `reading` says nothing of it; else that is an
    /// error.
    pub otherwise: Option<Fit>,
    /// Number of threads; one a core where nothing is given.
    pub threads: Option<NonZeroUsize>,
    /// Called now and then, from any thread, with the images done and their number.
    pub progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
    /// Once true, the run ends with [`Error::Interrupted`] and can be continued.
    pub stop: Option<&'a AtomicBool>,
}

/// What making a pack did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackReport {
    /// Images in the pack.
    pub images: u64,
    /// Images decoded by this run.
    pub decoded: u64,
    /// Images that an earlier run had done, verified by this one.
    pub kept: u64,
    /// Images that lie beside the others but that no row of the label table names.
    pub unlisted: u64,
    /// The channels that all images were brought to, where this run found them to differ.
    pub joined: Option<Channels>,
    /// The size that all images were brought to, where this run found them to differ and nothing was asked for.
    pub fitted: Option<Fit>,
    /// Images whose boxes were drawn on an image of another aspect, so that nobody knows where they are.
    pub unplaced: u64,
}

/// Decodes every image of `dataset` into the pack `out` (a folder, `X.pack` by custom). Where a
/// run was killed, the same call goes on; where the pack is there already and its inputs are
/// unchanged, it only verifies the inputs.
///
/// # Errors
/// All images that are missing, damaged or of another size, in the order of the rows; what the
/// system refuses; [`Error::OtherData`] where `out` is there already and holds something else.
pub fn write_pack(dataset: &Dataset, out: &Path, options: &PackOptions) -> Result<PackReport> {
    let plan = plan(dataset, options.reading);
    if out.exists() {
        return keep_existing(dataset, out, &plan, options);
    }
    // Without a slash at its end, which would make the folder one inside it.
    let mut name = out.components().collect::<PathBuf>().into_os_string();
    name.push(".building");
    let folder = PathBuf::from(name);
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let lock = lock(&folder.join("lock"))?;
    // Another process may have finished between our check and our lock.
    if out.exists() {
        return keep_existing(dataset, out, &plan, options);
    }

    let journal_path = folder.join("progress.jsonl");
    let array = folder.join(IMAGES);
    // Most sets are alike, and each image is read once. Where channels differ, that shows when all
    // are read, and they are read again; a run that was killed then knows from its journal.
    let mut reading = options.reading;
    let mut found = Journal::found(&journal_path, &plan);
    let (journal, shape, done, decoded) = loop {
        reading.channels = found.joined.unwrap_or(reading.channels);
        reading.fit = reading.fit.or(found.fitted);
        let shape = first_shape(dataset, reading)?;
        let block = (BLOCK_BYTES / shape.len()).clamp(1, BLOCK_IMAGES);
        let (journal, done) = Journal::open(&journal_path, &plan, (shape, found), block)?;
        let header = images::header(dataset.len(), shape);
        prepare_array(&array, &header, dataset.len() * shape.len())?;
        let work = Work {
            dataset,
            options,
            reading,
            shape,
            block,
            journal: &journal,
            done: &done,
            array: &array,
            start: header.len() as u64,
            problems: Mutex::default(),
            channels: Mutex::default(),
            sizes_differ: AtomicBool::new(false),
        };
        match work.run()? {
            Outcome::Done(done, decoded) => break (journal, shape, done, decoded),
            Outcome::ChannelsDiffer(channels) => found.joined = Some(channels),
            Outcome::SizesDiffer(fit) => found.fitted = Some(fit),
        }
    };

    File::open(&array)
        .and_then(|file| file.sync_all())
        .map_err(Error::io("write", &array))?;
    let boxes: Vec<Option<Vec<Annotation>>> = (done.iter().enumerate())
        .map(|(index, done)| dataset.boxes_of(index, done.stored?, reading.fit))
        .collect();
    let unplaced = match dataset.has_boxes() {
        true => boxes.iter().filter(|boxes| boxes.is_none()).count() as u64,
        false => 0,
    };
    let manifest = Manifest::new(
        plan,
        shape,
        dataset.table(),
        dataset.labels_file(),
        dataset.files().iter().map(|file| file.name.as_str()),
        (done, reading),
        boxes,
    );
    if let Some(parts) = dataset.parts() {
        Folds::given(dataset.table(), parts)?.save(&folder.join(FOLDS))?;
    }
    let manifest_path = folder.join(manifest::FILE);
    write_whole(&manifest_path, &manifest.to_json(&manifest_path)?)?;
    drop(journal);
    fs::rename(&folder, out).map_err(Error::io("rename", &folder))?;
    sync_parent(out);
    drop(lock);
    for left_over in ["progress.jsonl", "lock"] {
        // The pack is whole; a left-over file in it does no harm.
        let _ = fs::remove_file(out.join(left_over));
    }
    let images = dataset.len() as u64;
    Ok(PackReport {
        images,
        decoded,
        kept: images - decoded,
        unlisted: dataset.unlisted() as u64,
        joined: found.joined,
        fitted: found.fitted,
        unplaced,
    })
}

/// Hash of what is asked for, before any image is read.
fn plan(dataset: &Dataset, reading: Reading) -> String {
    let channels = reading.channels;
    let mut text = format!("soup-pack 1\n{channels:?}\n{}\n", dataset.table().hash());
    if let Some(most) = reading.max_value {
        text.push_str(&format!("max_value {most}\n"));
    }
    if let Some(fit) = reading.fit {
        text.push_str(&format!("fit {fit}\n"));
    }
    if let Some(boxes) = dataset.boxes_hash() {
        text.push_str(&format!("boxes {boxes}\n"));
    }
    if let Some(parts) = dataset.parts() {
        text.push_str(&format!("parts {parts:?}\n"));
    }
    for file in dataset.files() {
        let span = file.span().map(|span| (span.size, span.crc32));
        text.push_str(&format!("{} {span:?}\n", file.name));
    }
    content_hash(text.as_bytes())
}

fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("create", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::format(
            path,
            "another process is making this pack",
            "wait for it, or stop it",
        )),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
    }
}

/// The shape of the first image that can be decoded.
fn first_shape(dataset: &Dataset, reading: Reading) -> Result<ImageShape> {
    let mut reader = FileReader::new(dataset.place());
    let mut decoder = Decoder::default();
    let mut problems = Problems::default();
    for index in 0..dataset.len() {
        let decoded = match reader.read(&dataset.files()[index]) {
            Ok(bytes) => decoder.decode(bytes, reading),
            Err(fault) => {
                problems.push(dataset.read_fault(index, fault));
                continue;
            }
        };
        match decoded {
            Ok((shape, _)) => return Ok(shape),
            Err(problem) => problems.push(dataset.damaged(index, problem)),
        }
    }
    problems.check()?;
    Err(Error::Empty {
        path: dataset.images_path().into(),
        what: "images",
        hint: format!("files in the formats {} are looked for", formats()),
    })
}

/// Sets header and length; pixels that are there already stay.
fn prepare_array(path: &Path, header: &[u8], data: usize) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .and_then(|mut file| {
            file.set_len((header.len() + data) as u64)?;
            file.write_all(header)
        })
        .map_err(Error::io("write", path))
}

/// The pack is there: is it the one asked for?
fn keep_existing(
    dataset: &Dataset,
    out: &Path,
    plan: &str,
    options: &PackOptions,
) -> Result<PackReport> {
    let other = |problem: String| Error::OtherData {
        path: out.into(),
        problem,
        hint: "choose another name for the pack, or remove this one first".into(),
    };
    let pack = Pack::open(out).map_err(|error| {
        other(format!(
            "it is there already, but it is not a whole pack ({error})"
        ))
    })?;
    if pack.plan != plan {
        return Err(other(
            "it is there already, made from other ids, labels, files or channels".into(),
        ));
    }
    let done = AtomicU64::new(0);
    let total = dataset.len();
    let problems = Mutex::new(BTreeMap::new());
    for_each_block(
        total,
        options,
        |first, readers| {
            let (reader, _, _) = readers;
            for index in first..(first + BLOCK_IMAGES).min(total) {
                let problem = match reader.read(&dataset.files()[index]) {
                    Err(fault) => dataset.read_fault(index, fault),
                    Ok(bytes) if content_hash(bytes) == pack.inputs[index] => continue,
                    Ok(_) => other(format!(
                        "image `{}` has changed since the pack was made",
                        pack.table.ids()[index]
                    )),
                };
                held(&problems).insert(index, problem);
            }
            report(options, &done, BLOCK_IMAGES.min(total - first), total);
            Ok(())
        },
        dataset,
        BLOCK_IMAGES,
    )?;
    let mut all = Problems::default();
    all.extend(std::mem::take(&mut *held(&problems)).into_values());
    all.check()?;
    Ok(PackReport {
        images: total as u64,
        decoded: 0,
        kept: total as u64,
        unlisted: dataset.unlisted() as u64,
        joined: None,
        fitted: None,
        unplaced: 0,
    })
}

fn report(options: &PackOptions, done: &AtomicU64, more: usize, total: usize) {
    let done = done.fetch_add(more as u64, Ordering::Relaxed) + more as u64;
    if let Some(progress) = options.progress {
        progress(done, total as u64);
    }
}

/// What each thread keeps: reader, decoder, the pixels of a block.
type Tools = (FileReader, Decoder, Vec<u8>);

/// Calls `work` with the first image of every block, from all threads. Of several errors the one
/// of the first block is returned: blocks are begun in order, and what is begun is ended.
fn for_each_block(
    total: usize,
    options: &PackOptions,
    work: impl Fn(usize, &mut Tools) -> Result<()> + Sync,
    dataset: &Dataset,
    block: usize,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let lock = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let blocks = total.div_ceil(block);
    let threads = options
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
        .min(blocks);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut tools = (FileReader::new(dataset.place()), Decoder::default(), vec![]);
                while lock().is_none() {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= blocks {
                        break;
                    }
                    let stopped = options
                        .stop
                        .is_some_and(|stop| stop.load(Ordering::Relaxed));
                    let result = if stopped {
                        Err(Error::Interrupted)
                    } else {
                        work(at * block, &mut tools)
                    };
                    if let Err(error) = result {
                        let mut failed = lock();
                        if failed.as_ref().is_none_or(|&(first, _)| at < first) {
                            *failed = Some((at, error));
                        }
                    }
                }
            });
        }
    });
    let failed = lock().take();
    failed.map_or(Ok(()), |(_, error)| Err(error))
}

/// How a pass over all images ended.
enum Outcome {
    /// All are in the array; this many of them only now.
    Done(Vec<Done>, u64),
    /// They are stored in different channels; these are to be tried.
    ChannelsDiffer(Channels),
    /// They have several sizes; this one is to be tried.
    SizesDiffer(Fit),
}

/// What a lock holds; a thread that panicked ends the run in any case.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Work<'a> {
    dataset: &'a Dataset,
    options: &'a PackOptions<'a>,
    reading: Reading,
    shape: ImageShape,
    block: usize,
    journal: &'a Journal,
    done: &'a BTreeMap<usize, Vec<Done>>,
    array: &'a Path,
    /// Offset of the first pixel.
    start: u64,
    /// What is wrong with which image.
    problems: Mutex<BTreeMap<usize, Error>>,
    /// Numbers of channels that images were found to have.
    channels: Mutex<BTreeSet<usize>>,
    /// Whether an image of another size was found for which `otherwise` has an answer.
    sizes_differ: AtomicBool,
}

impl Work<'_> {
    fn run(&self) -> Result<Outcome> {
        let total = self.dataset.len();
        let finished = Mutex::new(BTreeMap::new());
        let (decoded, reported) = (AtomicU64::new(0), AtomicU64::new(0));
        let block = |first: usize, tools: &mut Tools| {
            // All will be read again.
            if self.sizes_differ.load(Ordering::Relaxed) {
                return Ok(());
            }
            let count = self.block.min(total - first);
            let number = first / self.block;
            let kept = match self.done.get(&number) {
                Some(done) if self.is_kept(first, count, done, &mut tools.2)? => Some(done.clone()),
                _ => None,
            };
            let images = match kept {
                Some(images) => Some(images),
                None => self
                    .decode_block(first, count, tools)?
                    .map(|images| {
                        self.journal.note(number, images.clone())?;
                        decoded.fetch_add(count as u64, Ordering::Relaxed);
                        Ok::<_, Error>(images)
                    })
                    .transpose()?,
            };
            if let Some(images) = images {
                held(&finished).insert(number, images);
            }
            report(self.options, &reported, count, total);
            Ok(())
        };
        for_each_block(total, self.options, block, self.dataset, self.block)?;
        if let (true, Some(fit)) = (
            self.sizes_differ.load(Ordering::Relaxed),
            self.options.otherwise,
        ) {
            return Ok(Outcome::SizesDiffer(fit));
        }
        let mut problems = Problems::default();
        problems.extend(std::mem::take(&mut *held(&self.problems)).into_values());
        problems.check()?;
        let found = std::mem::take(&mut *held(&self.channels));
        if found.len() > 1 {
            return Ok(Outcome::ChannelsDiffer(Channels::common(found)));
        }
        let finished = finished
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let done = finished.into_values().flatten().collect();
        Ok(Outcome::Done(done, decoded.into_inner()))
    }

    fn offset(&self, first: usize) -> SeekFrom {
        SeekFrom::Start(self.start + (first * self.shape.len()) as u64)
    }

    /// Whether a block of an earlier run still stands in the array, its inputs unchanged.
    fn is_kept(
        &self,
        first: usize,
        count: usize,
        done: &[Done],
        pixels: &mut Vec<u8>,
    ) -> Result<bool> {
        if done.len() != count {
            return Ok(false);
        }
        for (index, image) in (first..).zip(done) {
            // One that is gone is read again, which reports it.
            if self.stamp(index).ok() != Some(image.stamp) {
                return Ok(false);
            }
            held(&self.channels).insert(self.shape.channels);
        }
        pixels.resize(count * self.shape.len(), 0);
        File::open(self.array)
            .and_then(|mut file| {
                file.seek(self.offset(first))?;
                file.read_exact(pixels)
            })
            .map_err(Error::io("read", self.array))?;
        let mut images = pixels.chunks_exact(self.shape.len()).zip(done);
        Ok(images.all(|(pixels, done)| content_hash(pixels) == done.hashes.pixels))
    }

    /// Decodes a block into the array; nothing where any of its images does not fit.
    fn decode_block(
        &self,
        first: usize,
        count: usize,
        tools: &mut Tools,
    ) -> Result<Option<Vec<Done>>> {
        let (reader, decoder, pixels) = tools;
        pixels.resize(count * self.shape.len(), 0);
        let mut done = Vec::with_capacity(count);
        for (index, target) in (first..).zip(pixels.chunks_exact_mut(self.shape.len())) {
            match self.decode_one(index, target, reader, decoder) {
                Ok(image) => done.extend(image),
                Err(error) => {
                    held(&self.problems).insert(index, error);
                }
            }
        }
        if done.len() < count {
            return Ok(None);
        }
        // A handle of its own a block: no position is shared between threads.
        OpenOptions::new()
            .write(true)
            .open(self.array)
            .and_then(|mut file| {
                file.seek(self.offset(first))?;
                file.write_all(pixels)
            })
            .map_err(Error::io("write", self.array))?;
        Ok(Some(done))
    }

    /// Decodes an image; nothing where it has other channels than the first one.
    fn decode_one(
        &self,
        index: usize,
        target: &mut [u8],
        reader: &mut FileReader,
        decoder: &mut Decoder,
    ) -> Result<Option<Done>> {
        // Before it is read: a change during the reading then shows at the next run.
        let stamp = self.stamp(index)?;
        let bytes = reader
            .read(&self.dataset.files()[index])
            .map_err(|fault| self.dataset.read_fault(index, fault))?;
        let (shape, decoded) = decoder
            .decode(bytes, self.reading)
            .map_err(|problem| self.dataset.damaged(index, problem))?;
        let channels = self.shape.channels;
        let checked =
            (self.dataset).check_shape(index, ImageShape { channels, ..shape }, self.shape);
        if checked.is_err() && self.options.otherwise.is_some() && self.reading.fit.is_none() {
            self.sizes_differ.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        checked?;
        held(&self.channels).insert(shape.channels);
        if shape != self.shape {
            return Ok(None);
        }
        target.copy_from_slice(decoded);
        let stored = (self.dataset.has_boxes())
            .then(|| image_shape(bytes))
            .transpose()
            .map_err(|problem| self.dataset.damaged(index, problem))?;
        let hashes = Hashes {
            input: content_hash(bytes),
            pixels: content_hash(decoded),
        };
        Ok(Some(Done {
            stamp,
            hashes,
            samples: decoder.samples(),
            stored,
        }))
    }

    /// Size and time of change of an image's file. Archives are bound by the checksums in the plan.
    fn stamp(&self, index: usize) -> Result<(u64, u64)> {
        let file = &self.dataset.files()[index];
        if file.span().is_some() {
            return Ok((0, 0));
        }
        let path = self.dataset.place().path_of(file);
        let fault = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => crate::dataset::ReadFault::Missing,
            _ => crate::dataset::ReadFault::Io(source),
        };
        let data =
            fs::metadata(path).map_err(|error| self.dataset.read_fault(index, fault(error)))?;
        // Without a clock on the file, its size must do.
        let changed = data
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_nanos() as u64);
        Ok((data.len(), changed))
    }
}
