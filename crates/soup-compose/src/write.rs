//! Composed images on disk, in the contest's layout.

use std::{
    fs,
    io::Write as _,
    num::NonZeroUsize,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use soup_data::{
    Error, ImageShape, Result,
    files::{sync_parent, write_whole},
};

use super::{ComposeConfig, Composed, Composer};

/// Images whose labels are held in memory before they are written.
const CHUNK: u64 = 4096;

/// What [`write_dataset`] is to write.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Folder of the data set; made where it is missing.
    pub out: PathBuf,
    /// Number of images.
    pub count: u64,
    /// Seed of the images.
    pub seed: u64,
    /// What the glyphs are, as the user wrote it; kept in `compose.json`.
    pub glyphs: String,
    /// Threads; `None` for one a core.
    pub threads: Option<NonZeroUsize>,
}

/// `compose.json`: all that the images are a function of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    glyphs: String,
    seed: u64,
    count: u64,
    labels: Vec<String>,
    /// Glyphs of each label in the pool, in the order of `labels`.
    glyph_counts: Vec<u64>,
    compose: ComposeConfig,
}

/// Writes images `0..count` of a seed:
///
/// * `images/00000.png`, ...: 8-bit grey images,
/// * `answer.csv`: `index` and one 0/1 column a label, the table of the contest,
/// * `boxes.csv`: `index,label,x0,y0,x1,y1,level,glyph`, one row a letter; boxes end before x1 and
///   y1, and `glyph` is `part:index`, the glyph it came from,
/// * `groups.csv`, where the glyphs are cut into groups: `index,group`, for folds that share no glyph,
/// * `compose.json`: seed, glyphs and settings.
///
/// Every file is whole or absent, and images that are already there are kept: after an
/// interruption the same call goes on. Images do not depend on the number of threads.
/// `progress` gets the number of finished images and may ask to stop.
///
/// # Errors
/// [`Error::OtherData`] where the folder holds images composed in another way,
/// [`Error::Interrupted`] where `progress` asked to stop, [`Error::Io`] where writing fails.
pub fn write_dataset(
    composer: &Composer,
    options: &WriteOptions,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<()> {
    let out = &options.out;
    let images = out.join("images");
    fs::create_dir_all(&images).map_err(Error::io("create", &images))?;
    claim(composer, options)?;
    let [mut answer, mut boxes] = ["answer.csv", "boxes.csv"].map(|name| CsvFile::new(out, name));
    let names = composer.label_names();
    answer.text = format!("index,{}\n", names.join(","));
    boxes.text = "index,label,x0,y0,x1,y1,level,glyph\n".into();
    if composer.config().glyph_groups > 1 {
        let mut groups = CsvFile::new(out, "groups.csv");
        groups.text = "index,group\n".into();
        for index in 0..options.count {
            groups
                .text
                .push_str(&format!("{index},{}\n", composer.group(index)));
        }
        groups.finish()?;
    }

    let done = AtomicU64::new(0);
    let mut start = 0;
    while start < options.count {
        let end = options.count.min(start + CHUNK);
        for (index, composed) in write_chunk(composer, options, start..end, &done, progress)? {
            answer.text.push_str(&index.to_string());
            for &held in &composed.labels {
                answer.text.push_str(if held { ",1" } else { ",0" });
            }
            answer.text.push('\n');
            for found in &composed.boxes {
                boxes.text.push_str(&format!(
                    "{index},{},{},{},{},{},{},{}\n",
                    names[found.label],
                    found.x0,
                    found.y0,
                    found.x1,
                    found.y1,
                    found.level,
                    found.glyph
                ));
            }
        }
        answer.flush()?;
        boxes.flush()?;
        start = end;
    }
    boxes.finish()?;
    answer.finish()
}

/// Marks the folder as this data set's, or refuses a folder that is another one's.
fn claim(composer: &Composer, options: &WriteOptions) -> Result<()> {
    let path = options.out.join("compose.json");
    let names = composer.label_names();
    let manifest = Manifest {
        format: 1,
        glyphs: options.glyphs.clone(),
        seed: options.seed,
        count: options.count,
        labels: names.to_vec(),
        glyph_counts: (0..names.len())
            .map(|label| composer.pool().count(label))
            .collect(),
        compose: composer.config().clone(),
    };
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| {
        Error::format(
            &path,
            error.to_string(),
            "check the settings of the composer",
        )
    })?;
    match fs::read_to_string(&path) {
        Ok(found) => {
            let found = serde_json::from_str::<Manifest>(&found).ok();
            if found.is_none_or(|found| found != manifest) {
                return Err(Error::OtherData {
                    path,
                    problem: "the folder holds images composed with another seed, count, \
                              settings or glyphs"
                        .into(),
                    hint: "name another folder, or remove this one".into(),
                });
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let images = options.out.join("images");
            let mut entries = fs::read_dir(&images).map_err(Error::io("read", &images))?;
            if entries.next().is_some() {
                return Err(Error::OtherData {
                    path: images,
                    problem: "the folder already holds files, but no compose.json says how they \
                              were made"
                        .into(),
                    hint: "name another folder, or remove this one".into(),
                });
            }
            write_whole(&path, text.as_bytes())
        }
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// Writes the images of a range on all threads; what they hold, in order.
fn write_chunk(
    composer: &Composer,
    options: &WriteOptions,
    range: std::ops::Range<u64>,
    done: &AtomicU64,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Vec<(u64, Composed)>> {
    let threads = options
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let next = AtomicU64::new(range.start);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let results = Mutex::new(Vec::new());
    let work = || {
        let mut pixels = vec![0; composer.shape().len()];
        let mut mine = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= range.end {
                break;
            }
            match write_image(composer, options, index, &mut pixels) {
                Ok(composed) => mine.push((index, composed)),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    hold(&failed).get_or_insert(error);
                }
            }
            if progress(done.fetch_add(1, Ordering::Relaxed) + 1).is_break() {
                stop.store(true, Ordering::Relaxed);
                hold(&failed).get_or_insert(Error::Interrupted);
            }
        }
        hold(&results).append(&mut mine);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    if let Some(error) = hold(&failed).take() {
        return Err(error);
    }
    let mut results = std::mem::take(&mut *hold(&results));
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results)
}

/// The lock's content; a thread that panicked while it held the lock left it whole.
fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Composes and writes one image; only composes where the file is already there.
fn write_image(
    composer: &Composer,
    options: &WriteOptions,
    index: u64,
    pixels: &mut [u8],
) -> Result<Composed> {
    let path = options.out.join(format!("images/{index:05}.png"));
    if path.exists() {
        return Ok(composer.canvas(options.seed, index).1);
    }
    let composed = composer.compose(options.seed, index, pixels)?;
    let bytes = png(composer.shape(), pixels)
        .map_err(|problem| Error::format(&path, problem, "report this as a fault"))?;
    let temporary = path.with_extension("png.part");
    fs::write(&temporary, &bytes).map_err(Error::io("write", &temporary))?;
    fs::rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
    Ok(composed)
}

/// A composed image as the bytes of a grey PNG file.
///
/// # Errors
/// What the encoder says, where `pixels` are not those of such an image.
pub fn png(shape: ImageShape, pixels: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(pixels.len() + pixels.len() / 8 + 1024);
    let mut encoder = png::Encoder::new(&mut bytes, shape.width as u32, shape.height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    // Noise has no structure that a filter or a longer search could find.
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::NoFilter);
    encoder
        .write_header()
        .and_then(|mut writer| {
            writer.write_image_data(pixels)?;
            writer.finish()
        })
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn rename_synced(temporary: &Path, path: &Path) -> Result<()> {
    fs::File::open(temporary)
        .and_then(|file| file.sync_all())
        .map_err(Error::io("sync", temporary))?;
    fs::rename(temporary, path).map_err(Error::io("rename", temporary))?;
    sync_parent(path);
    Ok(())
}

/// A CSV file that gets its name when it is complete.
struct CsvFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<fs::File>,
    /// Text not yet in the file.
    text: String,
}

impl CsvFile {
    fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(name),
            temporary: folder.join(format!("{name}.part")),
            file: None,
            text: String::new(),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                fs::File::create(&self.temporary).map_err(Error::io("create", &self.temporary))?
            }
        };
        file.write_all(self.text.as_bytes())
            .map_err(Error::io("write", &self.temporary))?;
        self.text.clear();
        self.file = Some(file);
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        drop(self.file.take());
        rename_synced(&self.temporary, &self.path)
    }
}
