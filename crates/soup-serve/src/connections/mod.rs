//! From a socket to requests: how many connections there are, how long they may take, and how they
//! end.
//!
//! Clients that ask and do not read, or write a byte now and then, must not keep others out. [`line`] knows of each
//! connection since when it waits for its client: one that waits too long ends, and where there is no room the one
//! that waits longest. Health is answered beyond the limit. hyper has a time limit for heads alone, and none for a
//! connection that is written to (hyperium/hyper#3852), so ours are all in one place.

mod answers;
mod line;
mod socket;

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown, service::TowerToHyperService};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::{sleep, timeout},
};

use crate::{ServeError, traffic::Traffic};
use line::Entry;
use socket::Socket;

pub use line::{Closed, Line, Lines};

/// Heads of requests are no longer than this.
const LONGEST_HEAD: usize = 32 << 10;
/// How long the server still answers, with 503, once it is asked to stop: a client that keeps its
/// connection hears of it instead of losing a request.
const GRACE: Duration = Duration::from_millis(300);
/// A system that is out of sockets is asked again after this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Threads that talk to clients.
const TALKERS: usize = 2;
/// Threads for what takes milliseconds or waits for a disk; more of it waits.
const WORKERS: usize = 8;
/// Bytes of an answer that the system keeps for a client (it doubles the number); it would take megabytes.
const SEND_BUFFER: usize = 128 << 10;

/// The threads that talk to clients.
///
/// # Errors
/// Where the system gives none.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(TALKERS)
        .max_blocking_threads(WORKERS)
        .thread_name("soup-http")
        .enable_all()
        .build()
}

/// Listens at a host and port; port 0 takes any free one.
///
/// # Errors
/// [`ServeError::Address`].
pub fn listen(host: &str, port: u16) -> Result<std::net::TcpListener, ServeError> {
    let wrong = |source| ServeError::Address {
        address: format!("{host}:{port}"),
        source,
    };
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(wrong)?.collect();
    let listener = std::net::TcpListener::bind(&addresses[..]).map_err(wrong)?;
    listener.set_nonblocking(true)?;
    // Connections inherit it.
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER)?;
    Ok(listener)
}

/// Serves until the server is asked to stop and all that it took in is answered.
pub async fn serve(listener: TcpListener, router: Router, traffic: Arc<Traffic>) {
    let graceful = GracefulShutdown::new();
    let mut ended = std::pin::pin!(drained(&traffic));
    let mut sweep = std::pin::pin!(traffic.lines.sweep());
    loop {
        let (stream, entry) = tokio::select! {
            () = &mut ended => break,
            () = &mut sweep => break,
            accepted = accept(&listener, &traffic.lines) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let watcher = graceful.watcher();
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let line = &entry.line;
            let service = service_fn(|request| {
                let response = service.call(answers::coming(request, line));
                let line = Arc::clone(line);
                async {
                    response
                        .await
                        .map(|response| answers::going(response, line))
                }
            });
            let mut builder = http1::Builder::new();
            builder
                .header_read_timeout(None)
                .max_buf_size(LONGEST_HEAD.max(64 << 10))
                .max_header_size(LONGEST_HEAD);
            let socket = Socket::new(stream, Arc::clone(line));
            let connection = builder.serve_connection(TokioIo::new(socket), service);
            tokio::select! {
                ended = watcher.watch(connection) => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                },
                () = line.is_cut() => tracing::debug!("a connection was closed"),
            }
        });
    }
    drop(listener);
    let taken = async {
        tokio::select! {
            () = graceful.shutdown() => {}
            () = &mut sweep => {}
        }
    };
    if timeout(traffic.limits.stop_time, taken).await.is_err() {
        tracing::warn!("some clients did not take their answers in time");
    }
}

/// The next connection, let in.
async fn accept(listener: &TcpListener, lines: &Arc<Lines>) -> io::Result<(TcpStream, Entry)> {
    let (stream, _) = listener.accept().await?;
    // Answers are small and whole; nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    Ok((stream, lines.enter().await))
}

/// Waits for the word to stop, then for the requests that are inside, or for the time limit.
async fn drained(traffic: &Traffic) {
    traffic.stopped().await;
    tracing::info!("stopping: what was taken in is answered first");
    sleep(GRACE).await;
    let empty = async {
        while traffic.running.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(traffic.limits.stop_time, empty).await.is_err() {
        tracing::warn!("some requests took too long and are not answered");
    }
}
