//! `soup bench`: how fast the engine runs a network on this machine, and where the time goes.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::Error as Unknown},
};
use soup_devices::DeviceName;
use soup_engine::{
    Detail, Device, EngineError, InferenceSession, Learning, Precision, StepTime, TrainingSession,
    TrainingState,
};
use soup_graph::{Graph, Weights, rewrite};
use soup_random::{Purpose, Stream};
use soup_zoo::{Head, ModelConfig, build};

use crate::{
    console::{Console, Report},
    failure::Usage,
};

/// Time a network on this machine, and say where the time goes
///
/// Runs a training step (forward and backward), or with --infer the prediction, on noise with fresh weights. It
/// reports the fastest and the median of the repeats, as other programs only ever add time. --profile lists the kernels
/// with their share of what this machine can do at most, which is measured first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup bench efficientnet_b0
  soup bench repvgg_a0 --batch 32 --precision bf16 --profile
  soup bench efficientnet_b0 --infer --batch 1 --profile=steps
  soup bench soup_micro --head label_map --channels 1 --json | jq .images_per_second

Bytes are those of the tensors that a kernel reads or writes, each once: a share of the copying speed above 100 %
means that the caches served it. GFLOP/s count the multiplications of the definition; 3x3 convolutions need fewer
(Winograd), so they may pass the peak. SOUP_CPU=portable|avx2|avx512|avx512bf16|amx|neon|neonbf16 chooses the instruction set.")]
pub struct Arguments {
    /// The network, by its name in `soup models`
    #[arg(value_name = "MODEL")]
    model: String,

    /// What stands between the network and the labels, as `model.head` in a configuration
    #[arg(long, value_name = "HEAD", default_value = "linear", value_parser = head)]
    head: Head,

    /// Predict instead of training
    #[arg(long)]
    infer: bool,

    /// Rows and columns of the images
    #[arg(long, value_name = "PIXELS", default_value_t = 256)]
    size: usize,

    /// Channels of the images
    #[arg(long, value_name = "N", default_value_t = 3)]
    channels: usize,

    /// Labels
    #[arg(long, value_name = "N", default_value_t = 26)]
    labels: usize,

    /// Images in a batch
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,

    /// How activations are stored and multiplied: f32, or bf16
    #[arg(long, default_value = "f32", value_parser = precision)]
    precision: Precision,

    /// Where the network runs: auto, cpu or reference
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceName::Auto)]
    device: DeviceName,

    /// Threads [default: one a core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,

    /// Timed runs, after one that is not
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,

    /// Times of the kernels, all of a kind together or by their shapes
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "kinds", value_name = "DETAIL")]
    profile: Option<Detail>,
}

fn wrong(error: EngineError) -> Usage {
    Usage(error.to_string())
}

fn precision(name: &str) -> Result<Precision, String> {
    Precision::from_name(name).ok_or_else(|| "the precision is f32 or bf16".to_owned())
}

fn head(name: &str) -> Result<Head, String> {
    Head::deserialize(name.into_deserializer()).map_err(|error: Unknown| error.to_string())
}

#[derive(Serialize)]
struct Facts {
    model: String,
    head: Head,
    work: &'static str,
    size: usize,
    channels: usize,
    batch: u32,
    precision: &'static str,
    threads: usize,
    /// What the engine says of itself.
    device: String,
    /// From nothing to a plan with its memory.
    plan_seconds: f64,
    memory_bytes: usize,
    fastest_seconds: f64,
    median_seconds: f64,
    images_per_second: f64,
    gigaflops: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

#[derive(Serialize)]
struct Profile {
    peak_gigaflops: f64,
    peak_gigabytes_per_second: f64,
    kernels: Vec<Kernel>,
}

#[derive(Serialize)]
struct Kernel {
    name: String,
    count: usize,
    seconds: f64,
    gigaflops: f64,
    gigabytes_per_second: f64,
}

/// What is timed.
enum Timed {
    Training {
        session: Box<dyn TrainingSession>,
        logit_gradients: Vec<f32>,
    },
    Inference(Box<dyn InferenceSession>),
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    let graph = build(&ModelConfig {
        name: arguments.model.clone(),
        head: arguments.head.clone(),
        channels: arguments.channels,
        height: arguments.size,
        width: arguments.size,
        labels: arguments.labels,
        ..ModelConfig::default()
    })?;
    let device = arguments.device.with_threads(arguments.threads);
    let started = Instant::now();
    let mut timed = Timed::new(arguments, &graph, &device)?;
    let plan_seconds = started.elapsed().as_secs_f64();

    console.note("running");
    timed.run();
    let runs = (0..arguments.repeats).map(|_| timed.run());
    let mut times: Vec<Duration> = runs.collect();
    times.sort_unstable();
    let fastest_seconds = times[0].as_secs_f64();
    // The backward half multiplies twice: for the gradient of the input and of the weights.
    let passes = if arguments.infer { 1.0 } else { 3.0 };
    let operations = 2.0 * passes * graph.multiply_adds() as f64 * f64::from(arguments.batch);
    let profile = match arguments.profile {
        None => None,
        Some(detail) => {
            console.note("measuring what the machine can do");
            let peak = device.engine.peak(arguments.precision).map_err(wrong)?;
            let kernels = timed.profile(detail);
            peak.map(|peak| Profile {
                peak_gigaflops: peak.gigaflops,
                peak_gigabytes_per_second: peak.gigabytes,
                kernels: kernels.into_iter().map(Kernel::new).collect(),
            })
        }
    };
    let facts = Facts {
        model: arguments.model.clone(),
        head: arguments.head.clone(),
        work: if arguments.infer {
            "inference"
        } else {
            "training step"
        },
        size: arguments.size,
        channels: arguments.channels,
        batch: arguments.batch,
        precision: arguments.precision.name(),
        threads: device.pool.threads(),
        device: device.engine.description(),
        plan_seconds,
        memory_bytes: timed.memory_bytes(),
        fastest_seconds,
        median_seconds: times[times.len() / 2].as_secs_f64(),
        images_per_second: f64::from(arguments.batch) / fastest_seconds,
        gigaflops: operations / fastest_seconds * 1e-9,
        profile,
    };
    let text = text(&facts);
    Report::new(facts, text)
}

impl Timed {
    fn new(arguments: &Arguments, graph: &Graph, device: &Device) -> Result<Self> {
        let (batch, precision) = (arguments.batch as usize, arguments.precision);
        let weights = Weights::initial(graph, 1);
        let mut timed = if arguments.infer {
            let (graph, weights) = rewrite::for_inference(graph, &weights)?;
            let session = device.engine.inference(&graph, batch, precision);
            let mut session = session.map_err(wrong)?;
            session.load(weights);
            Self::Inference(session)
        } else {
            let state = TrainingState::new(graph, Learning::default(), weights)
                .map_err(|error| Usage(error.to_string()))?;
            let session = device.engine.training(graph, batch, precision, state);
            Self::Training {
                session: session.map_err(wrong)?,
                logit_gradients: vec![1e-3; batch * arguments.labels],
            }
        };
        let mut stream = Stream::new(1, Purpose::Noise, 0, 0);
        let input = match &mut timed {
            Self::Training { session, .. } => session.input_mut(),
            Self::Inference(session) => session.input_mut(),
        };
        input.fill_with(|| stream.normal());
        Ok(timed)
    }

    fn run(&mut self) -> Duration {
        let start = Instant::now();
        match self {
            Self::Training {
                session,
                logit_gradients,
            } => {
                session.forward(1, 0);
                session.zero_gradients();
                session.backward(&[logit_gradients]);
            }
            Self::Inference(session) => session.run(),
        }
        start.elapsed()
    }

    /// Of one run more.
    fn profile(&mut self, detail: Detail) -> Vec<StepTime> {
        match self {
            Self::Training { session, .. } => session.start_profile(),
            Self::Inference(session) => session.start_profile(),
        }
        self.run();
        match self {
            Self::Training { session, .. } => session.profile(detail),
            Self::Inference(session) => session.profile(detail),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Training { session, .. } => session.memory_bytes(),
            Self::Inference(session) => session.memory_bytes(),
        }
    }
}

impl Kernel {
    fn new(step: StepTime) -> Self {
        let seconds = step.time.as_secs_f64();
        // A step that took no time that the clock sees has no speed.
        let rate = |amount: f64| {
            if seconds > 0.0 {
                amount / seconds * 1e-9
            } else {
                0.0
            }
        };
        Self {
            gigaflops: rate(2.0 * step.multiply_adds as f64),
            gigabytes_per_second: rate(step.bytes as f64),
            name: step.name,
            count: step.count,
            seconds,
        }
    }
}

fn text(facts: &Facts) -> String {
    let head = serde_json::json!(facts.head);
    let mut text = format!(
        "{} with head {}, {} of {} images, {} px, {} channels, {}, {}\n\
         fastest {:.2} ms, median {:.2} ms: {:.1} images/s, {:.0} GFLOP/s\n\
         planned in {:.3} s, {:.0} MB\n",
        facts.model,
        head.as_str().unwrap_or_default(),
        facts.work,
        facts.batch,
        facts.size,
        facts.channels,
        facts.precision,
        facts.device,
        facts.fastest_seconds * 1e3,
        facts.median_seconds * 1e3,
        facts.images_per_second,
        facts.gigaflops,
        facts.plan_seconds,
        facts.memory_bytes as f64 * 1e-6,
    );
    let Some(profile) = &facts.profile else {
        return text;
    };
    let total: f64 = profile.kernels.iter().map(|kernel| kernel.seconds).sum();
    text.push_str(&format!(
        "\nthis machine: {:.0} GFLOP/s, copying {:.1} GB/s (read and written)\n\n\
         {:>9} {:>6} {:>9} {:>6} {:>7} {:>6}\n",
        profile.peak_gigaflops,
        profile.peak_gigabytes_per_second,
        "ms",
        "share",
        "GFLOP/s",
        "peak",
        "GB/s",
        "peak",
    ));
    for kernel in &profile.kernels {
        text.push_str(&format!(
            "{:>9.3} {:>5.1}% {:>9.1} {:>5.0}% {:>7.1} {:>5.0}%  {} x {}\n",
            kernel.seconds * 1e3,
            100.0 * kernel.seconds / total,
            kernel.gigaflops,
            100.0 * kernel.gigaflops / profile.peak_gigaflops,
            kernel.gigabytes_per_second,
            100.0 * kernel.gigabytes_per_second / profile.peak_gigabytes_per_second,
            kernel.count,
            kernel.name,
        ));
    }
    text
}
