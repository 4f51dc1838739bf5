//! `soup watch`: a run while it trains, as a page.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use soup_report::Run;
use soup_watch::Watcher;

use crate::{
    console::{Console, Report},
    serving::{self, Log},
};

/// Watch a run train: a page with curves that grow
///
/// Loss, accuracy and rate of every fold as the epochs end, the settings, the last lines of the log and, when
/// asked, a few held-out images as the newest best weights see them. It only reads the run's folder: the run
/// may not have begun, may be trained by other processes, may have ended, or go away.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soup watch runs/first                     then open http://127.0.0.1:8081
  soup watch runs/first --host 0.0.0.0      for other machines; anybody who reaches it sees the run

Ctrl-C or SIGTERM ends it; the training does not notice.")]
pub struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Where to listen; 0.0.0.0 is open to other machines
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,

    /// Port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    port: u16,
}

#[derive(Serialize)]
struct Facts {
    address: SocketAddr,
    run: PathBuf,
}

pub fn run(arguments: &Arguments, console: Console) -> Result<Report> {
    serving::start_log(Log::Text, console);
    let watcher = Watcher::bind(&arguments.run, &arguments.host, arguments.port)?;
    let address = watcher.address();
    if !Run::is_run(&arguments.run) {
        tracing::warn!(
            "there is no run in {} yet; the page goes on when there is one",
            arguments.run.display()
        );
    }
    if !address.ip().is_loopback() {
        tracing::warn!("anybody who reaches this address sees the run and its images");
    }
    tracing::info!("watching at http://{address}");
    let (stop, hang_up) = (watcher.handle(), watcher.handle());
    serving::obey(move || stop.stop(), move || hang_up.stop())?;
    watcher.run()?;
    let facts = Facts {
        address,
        run: arguments.run.clone(),
    };
    Report::new(facts, "stopped".to_owned())
}
