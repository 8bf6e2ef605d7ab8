//! `/events`: what happens at a node, as it happens.
//!
//! Events that count have numbers. Whoever reads too slowly, or comes back, sees by the numbers what it missed, and is told.

use super::{Scene, locked};
use crate::cli::node::show;
use crate::id::Contact;
use crate::live::Report;
use crate::live::visit::Status;
use crate::message::Broadcast;
use crate::protocol::Notice;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many may watch at once.
const WATCHERS: usize = 16;
/// So many events wait for one who is slow; older ones are missed.
const WAITING: usize = 256;
/// So many of the latest events are told to one who comes.
const RECENT: usize = 50;
/// So many characters of a text are shown.
const MOST_TEXT: usize = 2_000;
/// Likewise of a title.
const MOST_TITLE: usize = 100;

const FULL: &str = "Too many watch this node already; try again later.\n";

/// Tells those who watch.
pub(super) struct Feed {
    line: Mutex<Line>,
    seats: Arc<Semaphore>,
    /// Drawn at the start: numbers of an earlier process mean nothing.
    life: u32,
    /// Broadcasts that will never come.
    lost: AtomicU64,
}

struct Line {
    /// The number of the latest event.
    latest: u64,
    recent: VecDeque<Told>,
    sender: Sender<Told>,
}

/// An event as it is sent.
#[derive(Clone)]
struct Told {
    /// None: nobody misses it.
    number: Option<u64>,
    kind: &'static str,
    data: Arc<str>,
}

impl Feed {
    pub(super) fn new() -> Feed {
        let line = Line { latest: 0, recent: VecDeque::new(), sender: Sender::new(WAITING) };
        Feed {
            line: Mutex::new(line),
            seats: Arc::new(Semaphore::new(WATCHERS)),
            life: rand::random(),
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn watchers(&self) -> usize {
        WATCHERS - self.seats.available_permits()
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watchers() > 0
    }

    /// How many broadcasts of others will never come.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn on_report(&self, report: &Report) {
        match report {
            Report::Delivered(broadcast) => self.tell("delivered", &delivered(broadcast)),
            Report::Noticed(Notice::Gap { first, last, .. }) => {
                let count = last.saturating_sub(*first).saturating_add(1);
                self.lost.fetch_add(count, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    pub(super) fn on_neighbors(&self, before: &[Contact], now: &[Contact]) {
        let others = |these: &[Contact], than: &[Contact]| -> Vec<Value> {
            let is_new = |contact: &&Contact| !than.iter().any(|other| other.identity == contact.identity);
            let shown = |contact: &Contact| json!({ "identity": show::digits(contact.identity), "address": contact.address });
            these.iter().filter(is_new).map(shown).collect()
        };
        others(now, before).iter().for_each(|came| self.tell("joined", came));
        others(before, now).iter().for_each(|went| self.tell("left", went));
    }

    pub(super) fn on_status(&self, status: &Status) {
        _ = locked(&self.line).sender.send(status_told(status));
    }

    pub(super) fn end(&self) {
        _ = locked(&self.line).sender.send(Told { number: None, kind: "end", data: "{}".into() });
    }

    fn tell(&self, kind: &'static str, data: &Value) {
        let data = data.to_string().into();
        let mut line = locked(&self.line);
        line.latest += 1;
        let told = Told { number: Some(line.latest), kind, data };
        if line.recent.len() == RECENT {
            line.recent.pop_front();
        }
        line.recent.push_back(told.clone());
        // Nobody may be there.
        _ = line.sender.send(told);
    }

    /// Somebody comes, or comes back after the event of this name; none if too many are there.
    fn seat(&self, after: Option<&str>) -> Option<Watcher> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        let line = locked(&self.line);
        let latest = line.latest;
        let heard = after.and_then(|name| name.strip_prefix(&format!("{:x}-", self.life))?.parse().ok());
        let heard = heard.filter(|heard| *heard <= latest).unwrap_or(latest - line.recent.len() as u64);
        let next = line.recent.iter().filter(|told| told.number > Some(heard)).cloned().collect();
        let live = line.sender.subscribe();
        Some(Watcher { next, live, heard, is_over: false, life: self.life, _seat: seat })
    }
}

/// What is shown of a broadcast.
fn delivered(broadcast: &Broadcast) -> Value {
    let message = &broadcast.message;
    let cut = |text: &str, most: usize| -> String { text.chars().take(most).collect() };
    let text = cut(&message.message, MOST_TEXT);
    json!({
        "id": message.id,
        "origin": show::digits(broadcast.identity),
        "time": message.time,
        "title": cut(&message.title, MOST_TITLE),
        "is_cut": text.len() < message.message.len(),
        "bytes": message.message.len(),
        "text": text,
    })
}

fn status_told(status: &Status) -> Told {
    let data = show::status_with_neighbors(status).to_string().into();
    Told { number: None, kind: "status", data }
}

/// One who watches.
struct Watcher {
    /// What is to be told before anything else.
    next: VecDeque<Told>,
    live: Receiver<Told>,
    /// The number of the last event that it was told, or told of as missed.
    heard: u64,
    is_over: bool,
    life: u32,
    _seat: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        let told = loop {
            match self.next.pop_front() {
                Some(told) => break told,
                None => match self.live.recv().await {
                    Ok(told) => break told,
                    // The numbers tell what is missing.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
            }
        };
        let missed = told.number.map_or(0, |number| number.saturating_sub(self.heard + 1));
        if missed > 0 {
            self.heard += missed;
            self.next.push_front(told);
            return Some(Event::default().event("missed").data(json!({ "missed": missed }).to_string()));
        }
        let mut event = Event::default().event(told.kind).data(&*told.data);
        if let Some(number) = told.number {
            self.heard = number;
            event = event.id(format!("{:x}-{number}", self.life));
        }
        self.is_over = told.kind == "end";
        Some(event)
    }
}

pub(super) async fn events(State(scene): State<Arc<Scene>>, headers: HeaderMap) -> Response {
    let after = headers.get("last-event-id").and_then(|name| name.to_str().ok());
    let Some(mut watcher) = scene.feed.seat(after) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], FULL).into_response();
    };
    let glimpse = scene.glimpse();
    // From here on the neighbors of those who are there are followed.
    locked(&scene.told).get_or_insert_with(|| Arc::clone(&glimpse));
    watcher.next.push_front(status_told(&glimpse.status));
    let events = stream::unfold(watcher, |mut watcher| async {
        let event = watcher.next().await?;
        Some((Ok::<Event, Infallible>(event), watcher))
    });
    Sse::new(events).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(feed: &Feed, count: u64) {
        (0..count).for_each(|number| feed.tell("delivered", &json!(number)));
    }

    /// What a watcher is told without waiting: names of events, and how many were missed.
    async fn heard(watcher: &mut Watcher) -> (u64, u64) {
        let (mut events, mut missed) = (0, 0);
        while !(watcher.next.is_empty() && watcher.live.is_empty()) {
            let before = watcher.heard;
            let text = format!("{:?}", watcher.next().await.unwrap());
            match text.contains("event: missed") {
                true => missed += watcher.heard - before,
                false => events += 1,
            }
        }
        (events, missed)
    }

    #[tokio::test]
    async fn who_is_slow_or_comes_back_is_told_how_much_was_missed() {
        let feed = Feed::new();
        tell(&feed, 10);
        let mut watcher = feed.seat(None).unwrap();
        assert_eq!(heard(&mut watcher).await, (10, 0), "the latest are told first");
        tell(&feed, 3);
        assert_eq!(heard(&mut watcher).await, (3, 0));
        tell(&feed, 1_000);
        assert_eq!(heard(&mut watcher).await, (WAITING as u64, 1_000 - WAITING as u64));
        let name = |number: u64| format!("{:x}-{number}", feed.life);
        let mut back = feed.seat(Some(&name(1_010))).unwrap();
        assert_eq!(heard(&mut back).await, (3, 0));
        let mut late = feed.seat(Some(&name(13))).unwrap();
        assert_eq!(heard(&mut late).await, (RECENT as u64, 1_000 - RECENT as u64));
        for wrong in ["", "x", "0-5", &name(u64::MAX), &name(5_000), "ffffffff-99999999999999999999"] {
            let mut other = feed.seat(Some(wrong)).unwrap();
            assert_eq!(heard(&mut other).await, (RECENT as u64, 0), "{wrong}");
        }
    }

    #[tokio::test]
    async fn there_are_so_many_seats_and_each_is_given_back() {
        let feed = Feed::new();
        let mut watchers: Vec<Watcher> = (0..WATCHERS).map(|_| feed.seat(None).unwrap()).collect();
        assert!(feed.seat(None).is_none());
        watchers.pop();
        assert!(feed.is_watched() && feed.seat(None).is_some());
        feed.end();
        for watcher in &mut watchers {
            assert!(watcher.next().await.is_some() && watcher.next().await.is_none());
        }
    }
}
