//! What changes, as server-sent events (HTML living standard, 9.2): one a piece of the page, whose data is its
//! HTML.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::{sync::mpsc, time::sleep};

use super::{Drawn, Language, Watched};

/// A comment after so long a silence, so that clients that are gone are noticed.
const SILENCE: Duration = Duration::from_secs(15);

/// The body of a stream.
pub struct Events(mpsc::Receiver<Bytes>);

impl Events {
    /// A stream that begins with all pieces and goes on with those that change, until the client goes or the
    /// watcher stops.
    pub fn new(watched: Arc<Watched>, language: Language) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(send(watched, language, sender));
        Self(receiver)
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn send(watched: Arc<Watched>, language: Language, sender: mpsc::Sender<Bytes>) {
    let mut changes = watched.drawn.subscribe();
    watched.refresh().await;
    let mut sent: Option<Arc<Drawn>> = None;
    loop {
        let now = Arc::clone(&changes.borrow_and_update());
        let text = changed(sent.as_deref(), &now, language);
        if !text.is_empty() && sender.send(text.into()).await.is_err() {
            return;
        }
        sent = Some(now);
        loop {
            tokio::select! {
                () = watched.traffic.stopped() => return,
                () = sender.closed() => return,
                changed = changes.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = sleep(SILENCE) => {
                    if sender.send(Bytes::from_static(b": still here\n\n")).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// The events of the pieces that are not as they were.
fn changed(before: Option<&Drawn>, now: &Drawn, language: Language) -> String {
    let mut text = String::new();
    for (place, (part, html)) in now.parts(language).iter().enumerate() {
        if before.is_some_and(|before| before.parts(language)[place].1 == *html) {
            continue;
        }
        text.push_str(&format!("event: {}\n", part.name()));
        // `lines` also parts at carriage returns before line feeds; a lone one would end a line too.
        for line in html.replace('\r', "\n").split('\n') {
            text.push_str(&format!("data: {line}\n"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use soup_report::live::Panel;

    fn drawn(status: &str) -> Drawn {
        let parts = |status: &str| {
            vec![
                (Panel::Status, status.to_owned()),
                (Panel::Log, "same".to_owned()),
            ]
        };
        Drawn {
            name: String::new(),
            diverged: Vec::new(),
            english: parts(status),
            korean: parts(""),
        }
    }

    #[test]
    fn only_what_changed_is_sent() {
        let (first, second) = (drawn("one"), drawn("two\nlines"));
        let all = changed(None, &first, Language::En);
        assert_eq!(
            all,
            "event: status\ndata: one\n\nevent: log\ndata: same\n\n"
        );
        let some = changed(Some(&first), &second, Language::En);
        assert_eq!(some, "event: status\ndata: two\ndata: lines\n\n");
        assert_eq!(changed(Some(&first), &second, Language::Ko), "");
    }
}
