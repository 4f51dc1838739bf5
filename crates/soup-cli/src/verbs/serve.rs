//! `soup serve`: models over HTTP.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_devices::DeviceName;
use soup_serve::{Limits, Options, Server, Token};

use crate::{
    console::{Console, Report},
    serving::{self, Log},
};

/// Answer over HTTP: a page for people, and addresses for programs
///
/// Each model is served under its file's name: letters.soup as letters, a run under its folder's.
/// Images that arrive together are run together; the answers are those of soup predict.
#[derive(Debug, Args)]
#[command(after_help = "\
Addresses:
  /                           the page: drop an image, see what is in it
  POST /predict               an image's file as the body, or several in fields `image` of a form;
                              ?model=NAME, ?threshold=T, ?maps=true
  /v2/...                     the Open Inference Protocol 2 (KServe, Triton's clients)
  /metrics, /openapi.json     for Prometheus; all addresses with their forms

letters is a model that the program carries: the 26 letters under noise.

Examples:
  soup serve letters
  soup serve letters.soup runs/second --host 0.0.0.0 --token-file token.txt
  curl --data-binary @image.png http://127.0.0.1:8080/predict
  curl -F image=@a.png -F image=@b.jpg http://127.0.0.1:8080/predict?model=letters

A client that takes nothing of its answer for 30 s, sends no request for 10 s, or needs more than
30 s for a body is let go; /metrics counts them. Answers that wait to be taken have 256 MB together.

SIGTERM or Ctrl-C: nothing new is taken in, and what was taken in is answered. SIGHUP, or POST
/v2/repository/models/NAME/load: the model's file is read again without losing a request. For TLS
put a reverse proxy before it (Caddy: `caddy reverse-proxy --from soup.example.org --to :8080`).")]
pub struct Arguments {
    /// Model files and runs
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,

    /// Where to listen; 0.0.0.0 is open to other machines
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,

    /// Port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,

    /// Answers only requests with the token in this file (Authorization: Bearer TOKEN)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Lines of the log on stderr
    #[arg(long, value_enum, default_value = "text")]
    log: Log,

    /// Images in a batch at most
    #[arg(long, value_name = "N", default_value_t = Options::default().batch)]
    batch: usize,

    /// Milliseconds that a batch waits to be filled while requests come thick and fast
    #[arg(long, value_name = "MS", default_value_t = 2)]
    window: u64,

    /// Images that may wait; beyond that requests are refused (429)
    #[arg(long, value_name = "N", default_value_t = Options::default().queue)]
    queue: usize,

    /// Where the networks run: auto, cpu or reference
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceName::Auto)]
    device: DeviceName,

    /// Threads that calculate; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,

    #[command(flatten, next_help_heading = "Limits")]
    limits: LimitArguments,
}

#[derive(Debug, Args)]
struct LimitArguments {
    /// Bytes of a request's body
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body)]
    max_body: usize,

    /// Images in a request
    #[arg(long, value_name = "N", default_value_t = Limits::default().images)]
    max_images: usize,

    /// Pixels of an image
    #[arg(long, value_name = "N", default_value_t = Limits::default().pixels)]
    max_pixels: usize,

    /// Connections that ask; where there are more, the one that waits for its client longest ends, and a request
    /// that finds none waiting is refused (503). Health and metrics are answered beyond it
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
}

#[derive(Serialize)]
struct Facts {
    address: SocketAddr,
    models: Vec<String>,
    requests: u64,
    #[serde(rename = "pictures")]
    images: u64,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    serving::start_log(arguments.log, console);
    let token = arguments.token_file.as_deref().map(Token::read);
    let limits = &arguments.limits;
    let defaults = Limits::default();
    let options = Options {
        batch: arguments.batch,
        window: Duration::from_millis(arguments.window),
        queue: arguments.queue,
        device: arguments.device,
        threads: arguments.threads,
        token: token.transpose()?,
        limits: Limits {
            body: limits.max_body,
            bodies: defaults.bodies.max(limits.max_body),
            images: limits.max_images.min(arguments.queue),
            pixels: limits.max_pixels,
            connections: limits.max_connections,
            ..defaults
        },
    };
    let is_open = options.token.is_none();
    let server = Server::bind(&arguments.models, &arguments.host, arguments.port, options)?;
    let address = server.address();
    for model in server.models() {
        tracing::info!(
            model = model.name,
            labels = model.labels,
            networks = model.networks,
            "serving"
        );
    }
    if is_open && !address.ip().is_loopback() {
        tracing::warn!(
            "anybody who reaches this address is answered; --token-file FILE asks for a token"
        );
    }
    tracing::info!("listening at http://{address}");
    let (stop, reload) = (server.handle(), server.handle());
    serving::obey(move || stop.stop(), move || reload.reload())?;
    let models = server
        .models()
        .into_iter()
        .map(|model| model.name)
        .collect();
    let totals = server.run()?;
    let facts = Facts {
        address,
        models,
        requests: totals.requests,
        images: totals.images,
    };
    let text = format!(
        "stopped: {} requests, {} images",
        facts.requests, facts.images
    );
    Report::new(facts, text)
}
