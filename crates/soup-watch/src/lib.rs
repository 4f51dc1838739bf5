//! A page of a run that is training, or was: curves that grow, the settings, and predictions of
//! the newest weights. It only reads the run's folder, and nothing while no page is open.

mod events;
mod page;
mod routes;

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use soup_report::{
    live::{Live, PANELS, Panel, PredictedImages, Selection, State},
    words::{ENGLISH, KOREAN, Words},
};
use soup_serve::{Limits, ServeError, connections, traffic::Traffic};
use tokio::{
    net,
    sync::{Mutex, watch},
    time::sleep,
};

/// The folder is read this often while a page is open.
const PERIOD: Duration = Duration::from_secs(1);
/// Open connections; a page that is watched takes one for as long.
const CONNECTIONS: usize = 64;

/// Serves the page of a run.
#[derive(Debug)]
pub struct Watcher {
    listener: TcpListener,
    address: SocketAddr,
    watched: Arc<Watched>,
}

/// Stops a watcher from another thread.
#[derive(Clone, Debug)]
pub struct Handle {
    watched: Arc<Watched>,
}

/// What every request needs.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    traffic: Arc<Traffic>,
    /// What the folder said last.
    drawn: watch::Sender<Arc<Drawn>>,
    /// The last predictions. Whoever predicts holds the lock, so that it is done once at a time.
    predicted: Arc<Mutex<Option<(Selection, PredictedImages)>>>,
}

/// A run's folder as pieces of HTML, in both languages.
#[derive(Debug, PartialEq)]
struct Drawn {
    name: String,
    /// Which folds diverged, for the terminal.
    diverged: Vec<String>,
    english: Vec<(Panel, String)>,
    korean: Vec<(Panel, String)>,
}

impl Drawn {
    fn of(path: &Path) -> Self {
        let live = Live::read(path);
        let draw = |words: &Words| -> Vec<(Panel, String)> {
            let parts = PANELS.iter();
            let parts = parts.map(|part| (*part, part.draw(&live, words).into_string()));
            parts.collect()
        };
        Self {
            english: draw(&ENGLISH),
            korean: draw(&KOREAN),
            diverged: match &live.state {
                State::There(now) => now.run.diverged.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            },
            name: live.name,
        }
    }

    fn parts(&self, language: Language) -> &[(Panel, String)] {
        match language {
            Language::En => &self.english,
            Language::Ko => &self.korean,
        }
    }
}

/// What a page is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Language {
    En,
    Ko,
}

impl Language {
    fn words(self) -> &'static Words {
        match self {
            Self::En => &ENGLISH,
            Self::Ko => &KOREAN,
        }
    }
}

impl Watcher {
    /// Listens for whoever wants to see the run in this folder; it may come later, and go. Port 0 takes any
    /// free one.
    ///
    /// # Errors
    /// [`ServeError::Address`] for an address that cannot be listened at, [`ServeError::Setting`] where the
    /// path is no folder.
    pub fn bind(path: &Path, host: &str, port: u16) -> Result<Self, ServeError> {
        if path.exists() && !path.is_dir() {
            return Err(ServeError::Setting(format!(
                "{}: a run is a folder; name the one that soup train --out writes into",
                path.display()
            )));
        }
        let listener = connections::listen(host, port)?;
        let address = listener.local_addr()?;
        let limits = Limits {
            connections: CONNECTIONS,
            ..Limits::default()
        };
        let watched = Watched {
            path: path.to_owned(),
            traffic: Arc::new(Traffic::new(limits)),
            drawn: watch::Sender::new(Arc::new(Drawn::of(path))),
            predicted: Arc::default(),
        };
        Ok(Self {
            listener,
            address,
            watched: Arc::new(watched),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the watcher while it runs.
    pub fn handle(&self) -> Handle {
        Handle {
            watched: Arc::clone(&self.watched),
        }
    }

    /// Serves until [`Handle::stop`].
    ///
    /// # Errors
    /// [`ServeError::System`] where the system gives no threads.
    pub fn run(self) -> Result<(), ServeError> {
        let runtime = connections::runtime()?;
        let watched = self.watched;
        say_diverged(&[], &watched.drawn.borrow().diverged);
        runtime.block_on(async {
            let listener = net::TcpListener::from_std(self.listener)?;
            tokio::spawn(follow(Arc::clone(&watched)));
            let traffic = Arc::clone(&watched.traffic);
            connections::serve(listener, routes::router(&watched), traffic).await;
            Ok(())
        })
    }
}

impl Handle {
    /// Ends the streams of all pages and then the watcher.
    pub fn stop(&self) {
        self.watched.traffic.stop.send_replace(true);
    }
}

impl Watched {
    /// Reads the folder, and sends what changed to open pages.
    async fn refresh(&self) {
        let path = self.path.clone();
        // A disk may be slow, and a run may have many epochs.
        let Ok(drawn) = tokio::task::spawn_blocking(move || Drawn::of(&path)).await else {
            tracing::error!("the run's folder could not be read");
            return;
        };
        self.drawn.send_if_modified(|last| {
            let is_new = **last != drawn;
            if is_new {
                say_diverged(&last.diverged, &drawn.diverged);
                *last = Arc::new(drawn);
            }
            is_new
        });
    }
}

/// Says on the terminal which folds diverged since the folder was last read.
fn say_diverged(before: &[String], now: &[String]) {
    for found in now.iter().filter(|found| !before.contains(found)) {
        tracing::warn!("{found}");
    }
}

/// Reads the folder again and again while a page is open.
async fn follow(watched: Arc<Watched>) {
    while !watched.traffic.is_stopping() {
        tokio::select! {
            () = watched.traffic.stopped() => {}
            () = sleep(PERIOD) => {
                if watched.drawn.receiver_count() > 0 {
                    watched.refresh().await;
                }
            }
        }
    }
}
