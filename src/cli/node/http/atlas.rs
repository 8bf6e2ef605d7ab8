//! `/network`: the network as its nodes tell of it, each at its place in a picture.
//!
//! It is asked only while somebody wants to see it, and seldom: however many want to, the network is asked once.

use super::{Scene, locked};
use crate::cli::node::show;
use crate::graph::Graph;
use crate::id::Identity;
use crate::live::visit::Map;
use crate::live::{Glimpse, Window};
use crate::protocol::Census;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// So many nodes are shown; of a larger network those around this node.
const MOST_NODES: usize = 1_000;
/// So long the network is not asked again, …
const PAUSE: Duration = Duration::from_secs(4);
/// … and so many times as long as asking took.
const PAUSES: u32 = 10;
/// So long it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// So long whoever wants to see it waits for something new; then the old has to do.
const GRACE: Duration = Duration::from_secs(2);
/// Nodes stay where they are until so many of a hundred links are others.
const MOST_CHANGED: usize = 20;

const NOT_YET: &str = "The network is still being asked; try again.\n";

#[derive(Default)]
pub(super) struct Atlas {
    asking: Mutex<Asking>,
    latest: watch::Sender<Option<Arc<Picture>>>,
}

#[derive(Default)]
struct Asking {
    is_under_way: bool,
    /// Not before this.
    next: Option<Instant>,
    /// How often it was asked.
    count: u64,
}

/// The network in one moment.
struct Picture {
    when: Instant,
    identities: Vec<Identity>,
    positions: Vec<Position>,
    /// The links for which the nodes were placed.
    placed_for: BTreeSet<(u32, u32)>,
    shown: Value,
}

/// Between 0 and 1.1 to the right, 0 and 1 downwards.
type Position = (f64, f64);

#[derive(Serialize)]
struct Shown {
    /// What was counted last, if ever.
    census: Option<Census>,
    /// Where this node stands in the list.
    this: Option<usize>,
    nodes: Vec<Value>,
    /// By places in the list.
    links: Vec<(u32, u32)>,
    /// Nodes that did not answer.
    silent: Value,
    /// How many were not asked, for want of time or since there are too many.
    not_asked: usize,
}

impl Atlas {
    pub(super) fn walks(&self) -> u64 {
        locked(&self.asking).count
    }

    /// Asks the network again if it is time; whether something new comes soon.
    fn refresh(&self, scene: &Arc<Scene>) -> bool {
        let mut asking = locked(&self.asking);
        let now = Instant::now();
        if !asking.is_under_way && asking.next.is_none_or(|next| now >= next) {
            asking.is_under_way = true;
            asking.count += 1;
            // Whoever wants to see it may go away meanwhile; then it is there for the next one.
            tokio::spawn(ask(Arc::clone(scene), now));
        }
        asking.is_under_way
    }
}

async fn ask(scene: Arc<Scene>, begun: Instant) {
    let (window, glimpse) = (scene.window.clone(), scene.glimpse());
    let before = scene.atlas.latest.borrow().clone();
    let picture = tokio::task::spawn_blocking(move || draw(&window, &glimpse, before.as_deref())).await;
    if let Ok(Some(picture)) = picture {
        scene.atlas.latest.send_replace(Some(Arc::new(picture)));
    }
    let mut asking = locked(&scene.atlas.asking);
    asking.is_under_way = false;
    asking.next = Some(Instant::now() + PAUSE.max(PAUSES * begun.elapsed()));
}

fn draw(window: &Window, glimpse: &Glimpse, before: Option<&Picture>) -> Option<Picture> {
    let mut map = window.map(MOST_NODES, PATIENCE).ok()?;
    // Whoever answered first is of no interest; places are the same for the same network.
    map.nodes.sort_by_key(|node| node.identity);
    let graph = map.graph();
    let links: BTreeSet<(u32, u32)> = graph.edges().map(|(a, b)| (a.0, b.0)).collect();
    let identities: Vec<Identity> = map.nodes.iter().map(|node| node.identity).collect();
    let (positions, placed_for) = match before {
        Some(before) if before.identities == identities && !differ(&before.placed_for, &links) => {
            (before.positions.clone(), before.placed_for.clone())
        }
        _ => {
            let mut positions = places(&graph);
            if let Some(before) = before {
                turn(&mut positions, &identities, before);
            }
            (positions, links.clone())
        }
    };
    let shown = shown(&map, glimpse, &positions, links.into_iter().collect());
    Some(Picture { when: Instant::now(), identities, positions, placed_for, shown })
}

/// Whether so much has changed that the places should change as well.
fn differ(before: &BTreeSet<(u32, u32)>, now: &BTreeSet<(u32, u32)>) -> bool {
    before.symmetric_difference(now).count() * 100 > (before.len() + now.len()) * MOST_CHANGED
}

#[cfg(feature = "draw")]
fn places(graph: &Graph) -> Vec<Position> {
    let layout = crate::draw::Layout::force_directed(graph, 0);
    layout.positions().iter().map(|at| (at.x, at.y)).collect()
}

/// In a circle, where nothing better is compiled in.
#[cfg(not(feature = "draw"))]
fn places(graph: &Graph) -> Vec<Position> {
    let turn = std::f64::consts::TAU / graph.nodes().max(1) as f64;
    let at = |node: usize| {
        let angle = turn * node as f64;
        (0.55 + 0.5 * libm::sin(angle), 0.5 - 0.5 * libm::cos(angle))
    };
    (0..graph.nodes()).map(at).collect()
}

/// Turns a picture over so that nodes are near to where they were.
fn turn(positions: &mut [Position], identities: &[Identity], before: &Picture) {
    let old: BTreeMap<Identity, Position> =
        before.identities.iter().copied().zip(before.positions.iter().copied()).collect();
    let flipped = |(x, y): Position, (across, down): (bool, bool)| {
        (if across { 1.1 - x } else { x }, if down { 1.0 - y } else { y })
    };
    let way = |flip: (bool, bool)| -> f64 {
        let squares = identities.iter().zip(&*positions).filter_map(|(identity, &position)| {
            let (old, (x, y)) = (old.get(identity)?, flipped(position, flip));
            Some((x - old.0) * (x - old.0) + (y - old.1) * (y - old.1))
        });
        squares.sum()
    };
    let flips = [(false, false), (true, false), (false, true), (true, true)];
    let best = flips.into_iter().min_by(|a, b| way(*a).total_cmp(&way(*b))).unwrap_or_default();
    positions.iter_mut().for_each(|position| *position = flipped(*position, best));
}

fn shown(map: &Map, glimpse: &Glimpse, positions: &[Position], links: Vec<(u32, u32)>) -> Value {
    let met = map.nodes.iter().map(|node| node.identity).chain(map.silent.iter().map(|node| node.identity));
    let met: BTreeSet<Identity> = met.collect();
    let named = map.nodes.iter().flat_map(|node| &node.neighbors).map(|node| node.identity);
    let not_asked = named.filter(|identity| !met.contains(identity)).collect::<BTreeSet<_>>().len();
    let node = |(node, &(x, y)): (&crate::live::visit::Status, &Position)| {
        let round = |number: f64| (number * 10_000.0).round() / 10_000.0;
        json!({
            "identity": show::digits(node.identity),
            "address": node.address,
            "state": node.state,
            "neighbors": node.neighbors.len(),
            "delivered": node.delivered,
            "x": round(x),
            "y": round(y),
        })
    };
    let shown = Shown {
        census: glimpse.census,
        this: map.nodes.iter().position(|node| node.identity == glimpse.status.identity),
        nodes: map.nodes.iter().zip(positions).map(node).collect(),
        links,
        silent: show::contacts_as_json(&map.silent),
        not_asked,
    };
    json!(shown)
}

pub(super) async fn network(State(scene): State<Arc<Scene>>) -> Response {
    let mut latest = scene.atlas.latest.subscribe();
    let has_old = latest.borrow_and_update().is_some();
    if scene.atlas.refresh(&scene) {
        _ = timeout(if has_old { GRACE } else { PATIENCE }, latest.changed()).await;
    }
    let Some(picture) = latest.borrow().clone() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], NOT_YET).into_response();
    };
    let mut shown = picture.shown.clone();
    shown["age_ms"] = json!(picture.when.elapsed().as_millis() as u64);
    Json(shown).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_turned_to_where_its_nodes_were() {
        let identities: Vec<Identity> = (0..4).map(|byte| Identity([byte; 32])).collect();
        let old: Vec<Position> = vec![(0.1, 0.2), (0.9, 0.3), (0.4, 0.8), (1.0, 0.9)];
        let before = Picture {
            when: Instant::now(),
            identities: identities.clone(),
            positions: old.clone(),
            placed_for: BTreeSet::new(),
            shown: Value::Null,
        };
        for (across, down) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut new: Vec<Position> = old
                .iter()
                .map(|(x, y)| (if across { 1.1 - x } else { *x }, if down { 1.0 - y } else { *y }))
                .collect();
            turn(&mut new, &identities, &before);
            let near = |(a, b): (&Position, &Position)| (a.0 - b.0).abs() + (a.1 - b.1).abs() < 1e-9;
            assert!(new.iter().zip(&old).all(near), "{new:?}");
        }
    }

    #[test]
    fn nodes_stay_where_they_are_while_few_links_change() {
        let ring = |nodes: u32| -> BTreeSet<(u32, u32)> { (0..nodes).map(|node| (node, node + 1)).collect() };
        let mut other = ring(60);
        other.remove(&(3, 4));
        other.insert((3, 7));
        assert!(!differ(&ring(60), &ring(60)) && !differ(&ring(60), &other));
        assert!(differ(&ring(60), &ring(30)) && differ(&ring(1), &BTreeSet::new()));
        assert!(!differ(&BTreeSet::new(), &BTreeSet::new()));
    }
}
