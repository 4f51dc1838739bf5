//! What a server knows of its connections: whom each waits for, which one goes when there is no room.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::answers::PIECE;
use crate::Limits;

/// Connections beyond the limit: what asks for health needs no place, and what waits for one has not got it yet.
const SPARE: usize = 64;
/// Requests that wait for room at once; others get 503.
const WAITING: usize = SPARE / 2;
/// Where there is no room, the connection that waits for its client longest makes some, after this long.
const STALLED: Duration = Duration::from_secs(1);
/// An endless answer gives room after this long; pages ask for it again by themselves.
const STREAMED: Duration = Duration::from_secs(60);
/// Whoever waits for room checks again this often.
const AGAIN: Duration = Duration::from_millis(100);

/// Why the server closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closed {
    /// No request, or half a head of one, came in time.
    Silent,
    /// The client took nothing of its answer in time.
    Unread,
    /// It waited for its client longest when there was no room for another one.
    Displaced,
}

impl Closed {
    /// The word for it in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Unread => "unread",
            Self::Displaced => "displaced",
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Line {
    state: Mutex<State>,
    /// Woken when the connection is to end.
    cut: Notify,
}

/// Since when a connection waits for its client, and for what.
#[derive(Debug)]
struct State {
    /// For a request.
    request: Option<Instant>,
    /// For more of a body.
    body: Option<Instant>,
    /// For the client to take of an answer.
    taking: Option<Instant>,
    /// An endless answer goes on since.
    stream: Option<Instant>,
    /// An answer is owed.
    asked: bool,
    closed: Option<Closed>,
    place: Option<OwnedSemaphorePermit>,
}

impl State {
    fn waits_since(&self) -> Option<Instant> {
        let stream = self.stream.map(|since| since + STREAMED);
        let all = [self.request, self.body, self.taking, stream];
        all.into_iter().flatten().min()
    }
}

impl Line {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                request: Some(Instant::now()),
                body: None,
                taking: None,
                stream: None,
                asked: false,
                closed: None,
                place: None,
            }),
            cut: Notify::new(),
        }
    }

    /// A request came; an answer is owed.
    pub fn asks(&self) {
        let mut state = self.state();
        (state.asked, state.request) = (true, None);
    }

    /// Whether the next piece of a body is waited for.
    pub fn waits_for_body(&self, waits: bool) {
        let mut state = self.state();
        note(&mut state.body, waits);
    }

    /// The answer has no end.
    pub fn streams(&self) {
        self.state().stream = Some(Instant::now());
    }

    /// The last piece of an answer is on its way.
    pub fn answered(&self) {
        let mut state = self.state();
        (state.asked, state.stream, state.body) = (false, None, None);
    }

    /// Whether the client must take something before more can be written.
    pub fn waits_for_taking(&self, waits: bool) {
        note(&mut self.state().taking, waits);
    }

    /// All that there was to write is written.
    pub fn flushed(&self) {
        let mut state = self.state();
        state.taking = None;
        if !state.asked {
            note(&mut state.request, true);
        }
    }

    /// Waits until the connection is to end.
    pub async fn is_cut(&self) {
        self.cut.notified().await;
    }

    /// Whether the server ends the connection, and not its client.
    pub fn was_cut(&self) -> bool {
        self.state().closed.is_some()
    }

    /// `false` where it was cut before.
    fn close(&self, state: &mut State, why: Closed) -> bool {
        if state.closed.is_some() {
            return false;
        }
        state.closed = Some(why);
        self.cut.notify_one();
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step between lock and unlock leaves half a change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(since: &mut Option<Instant>, waits: bool) {
    match waits {
        true => *since = since.or_else(|| Some(Instant::now())),
        false => *since = None,
    }
}

/// All connections of a server.
#[derive(Debug)]
pub struct Lines {
    limits: Limits,
    all: Mutex<All>,
    /// Room for connections.
    open: Arc<Semaphore>,
    /// Room for connections that asked for more than health.
    places: Arc<Semaphore>,
    /// Room for answers, in pieces of [`PIECE`] bytes.
    answers: Arc<Semaphore>,
    waiting: Semaphore,
}

#[derive(Debug, Default)]
struct All {
    next: u64,
    lines: BTreeMap<u64, Arc<Line>>,
    closed: BTreeMap<Closed, u64>,
}

/// A connection's entry among all; gone when it is dropped.
#[derive(Debug)]
pub struct Entry {
    lines: Arc<Lines>,
    number: u64,
    /// The connection.
    pub line: Arc<Line>,
    _room: OwnedSemaphorePermit,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.lines.all().lines.remove(&self.number);
    }
}

impl Lines {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        let semaphore = |room: usize| Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
        Self {
            limits,
            all: Mutex::default(),
            open: semaphore(limits.connections.saturating_add(SPARE)),
            places: semaphore(limits.connections),
            answers: semaphore(limits.answers / PIECE),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// Connections that have places at most.
    pub fn places(&self) -> usize {
        self.limits.connections
    }

    /// Open connections.
    pub fn open_count(&self) -> usize {
        self.all().lines.len()
    }

    /// Bytes of answers that wait for their clients.
    pub fn answer_bytes(&self) -> usize {
        let pieces = (self.limits.answers / PIECE).min(Semaphore::MAX_PERMITS);
        (pieces - self.answers.available_permits()) * PIECE
    }

    /// How many connections the server closed, and why.
    pub fn closed(&self) -> BTreeMap<Closed, u64> {
        self.all().closed.clone()
    }

    /// Lets a connection in; where there are too many, the one that waits for its client longest ends.
    pub async fn enter(self: &Arc<Self>) -> Entry {
        let room = loop {
            if let Ok(room) = Arc::clone(&self.open).try_acquire_owned() {
                break room;
            }
            self.displace(Duration::ZERO, |_| true);
            let freed = timeout(AGAIN, Arc::clone(&self.open).acquire_owned()).await;
            // The semaphore is never closed.
            if let Ok(Ok(room)) = freed {
                break room;
            }
        };
        let line = Arc::new(Line::new());
        let mut all = self.all();
        let number = all.next;
        all.next += 1;
        all.lines.insert(number, Arc::clone(&line));
        Entry {
            lines: Arc::clone(self),
            number,
            line,
            _room: room,
        }
    }

    /// A connection asks for more than health: it needs a place, which it keeps. `false` where there is none.
    pub async fn seat(&self, line: &Line) -> bool {
        if line.state().place.is_some() {
            return true;
        }
        let place = self.claim(&self.places, 1, |state| state.place.is_some());
        match place.await {
            Some(place) => {
                line.state().place = Some(place);
                true
            }
            None => false,
        }
    }

    /// Whether another answer is likely to find room; asked before it is calculated.
    pub fn has_answer_room(&self) -> bool {
        self.answers.available_permits() >= self.limits.answers / PIECE / 16
    }

    /// Room for an answer of so many bytes, until it is taken by its client.
    pub async fn answer_room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // One that is larger than the room may be alone in it.
        let pieces = bytes.div_ceil(PIECE).min(self.limits.answers / PIECE);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        self.claim(&self.answers, pieces, |state| state.taking.is_some())
            .await
    }

    /// Takes of some room, for which connections of a kind may have to go.
    async fn claim(
        &self,
        room: &Arc<Semaphore>,
        count: u32,
        who: fn(&State) -> bool,
    ) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(room).try_acquire_many_owned(count) {
            return Some(permit);
        }
        let _waits = self.waiting.try_acquire().ok()?;
        let began = Instant::now();
        while began.elapsed() < self.limits.room_time {
            self.displace(STALLED, who);
            let freed = timeout(AGAIN, Arc::clone(room).acquire_many_owned(count)).await;
            if let Ok(permit) = freed {
                return permit.ok();
            }
        }
        None
    }

    /// Ends the connection that waits for its client longest, where one does for at least so long.
    fn displace(&self, least: Duration, who: impl Fn(&State) -> bool) {
        let mut all = self.all();
        let now = Instant::now();
        let waiting = all.lines.values().filter_map(|line| {
            let state = line.state();
            let since = state.waits_since()?;
            let may_go = state.closed.is_none() && who(&state) && now >= since + least;
            may_go.then_some((since, line))
        });
        let longest = waiting.min_by_key(|(since, _)| *since);
        let longest = longest.map(|(_, line)| Arc::clone(line));
        if let Some(line) = longest
            && line.close(&mut line.state(), Closed::Displaced)
        {
            *all.closed.entry(Closed::Displaced).or_default() += 1;
        }
    }

    /// Ends connections whose clients are too slow, again and again.
    pub async fn sweep(&self) {
        let shortest = self.limits.head_time.min(self.limits.write_time);
        let period = (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            tokio::time::sleep(period).await;
            let mut all = self.all();
            let All { lines, closed, .. } = &mut *all;
            for line in lines.values() {
                let mut state = line.state();
                let late = |since: Option<Instant>, limit| {
                    since.is_some_and(|since| since.elapsed() >= limit)
                };
                let why = if late(state.taking, self.limits.write_time) {
                    Closed::Unread
                } else if late(state.request, self.limits.head_time) {
                    Closed::Silent
                } else {
                    continue;
                };
                if line.close(&mut state, why) {
                    *closed.entry(why).or_default() += 1;
                }
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        // No step between lock and unlock leaves half a change behind.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
