//! From a socket to requests: how many connections there are, how long they may take, and how they
//! end.

use std::{
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
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::shared::{Counted, Shared};

/// Heads of requests are no longer than this.
const LONGEST_HEAD: usize = 32 << 10;
/// How long the server still answers, with 503, once it is told to stop: a client that keeps its
/// connection hears of it instead of losing a request.
const GRACE: Duration = Duration::from_millis(300);
/// A system that is out of sockets is asked again after this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the server is told to stop and all that it took in is answered.
pub async fn serve(listener: TcpListener, router: Router, shared: Arc<Shared>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(shared.options.limits.connections));
    let mut ended = std::pin::pin!(drained(&shared));
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
        let (router, shared) = (router.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let _permit = permit;
            let _counted = Counted::new(&shared.connections);
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(shared.options.limits.head_time)
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
    if timeout(shared.options.limits.stop_time, graceful.shutdown())
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
async fn drained(shared: &Shared) {
    let mut stop = shared.stop.subscribe();
    // The sender lives as long as `shared`.
    let _ = stop.wait_for(|stop| *stop).await;
    tracing::info!("stopping: what was taken in is answered first");
    sleep(GRACE).await;
    let empty = async {
        while shared.running.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(shared.options.limits.stop_time, empty)
        .await
        .is_err()
    {
        tracing::warn!("some requests took too long and are not answered");
    }
}
