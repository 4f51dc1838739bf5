//! From a socket to requests: how many connections there are, how long they may take, and how they
//! end.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    ServeError,
    traffic::{Counted, Traffic},
};

/// Heads of requests are no longer than this.
const LONGEST_HEAD: usize = 32 << 10;
/// How long the server still answers, with 503, once it is told to stop: a client that keeps its
/// connection hears of it instead of losing a request.
const GRACE: Duration = Duration::from_millis(300);
/// A system that is out of sockets is asked again after this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Threads that talk to clients.
const TALKERS: usize = 2;

/// The threads that talk to clients.
///
/// # Errors
/// Where the system gives none.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(TALKERS)
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
    Ok(listener)
}

/// Serves until the server is told to stop and all that it took in is answered.
pub async fn serve(listener: TcpListener, router: Router, traffic: Arc<Traffic>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(traffic.limits.connections));
    let mut ended = std::pin::pin!(drained(&traffic));
    loop {
        let accepted = tokio::select! {
            () = &mut ended => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, permit)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let watcher = graceful.watcher();
        let (router, traffic) = (router.clone(), Arc::clone(&traffic));
        tokio::spawn(async move {
            let _permit = permit;
            let _counted = Counted::new(&traffic.connections);
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(traffic.limits.head_time)
                .max_buf_size(LONGEST_HEAD.max(64 << 10))
                .max_header_size(LONGEST_HEAD);
            let service = TowerToHyperService::new(router);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    if timeout(traffic.limits.stop_time, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some clients did not take their answers in time");
    }
}

type Accepted = Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)>;

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Accepted {
    // The semaphore is never closed.
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and whole; nothing is gained by waiting for more.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "no connection could be accepted");
            None
        }
    }
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
