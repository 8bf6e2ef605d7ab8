//! `/metrics`: how a node is, in the format OpenMetrics.

use super::Scene;
use crate::live::{Glimpse, today};
use crate::protocol::State as NodeState;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What does not change.
pub(super) struct Source {
    /// In seconds since 1970.
    started: f64,
}

impl Source {
    pub(super) fn new(glimpse: &Glimpse) -> Source {
        let started = today() - glimpse.status.uptime;
        let since = started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Source { started: since.as_secs_f64() }
    }
}

/// One moment.
#[derive(Debug)]
struct Moment {
    glimpse: Arc<Glimpse>,
    started: f64,
    lost: u64,
    watchers: u64,
    walks: u64,
}

/// Writes one metric after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn write(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, help, unit, metric.metric_type())?)
    }

    fn gauge(&mut self, name: &str, value: u64, help: &str) -> fmt::Result {
        self.write(name, help, None, &ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn counter(&mut self, name: &str, value: u64, help: &str) -> fmt::Result {
        self.write(name, help, None, &ConstCounter::new(value))
    }

    fn bytes(&mut self, name: &str, value: u64, help: &str) -> fmt::Result {
        self.write(name, help, Some(&Unit::Bytes), &ConstCounter::new(value))
    }

    fn seconds(&mut self, name: &str, value: f64, help: &str) -> fmt::Result {
        self.write(name, help, Some(&Unit::Seconds), &ConstGauge::new(value))
    }
}

impl Collector for Moment {
    /// (The encoder puts a full stop behind each help, and unit and `_total` behind the names.)
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Glimpse { status, census, queued, log_failed } = &*self.glimpse;
        let counters = &status.counters;
        let mut to = Writer(encoder);
        to.seconds("process_start_time", self.started, "When this process began, in seconds since 1970")?;
        to.seconds("rumormill_uptime", status.uptime.as_secs_f64(), "How long the node has been up")?;
        let is_member = u64::from(status.state == NodeState::Member);
        to.gauge("rumormill_member", is_member, "Whether the node is a part of the network: 1, else 0")?;
        to.gauge(
            "rumormill_neighbors",
            status.neighbors.len() as u64,
            "The peers with which the node exchanges broadcasts",
        )?;
        to.gauge("rumormill_known_nodes", status.known, "The nodes that the node knows, neighbors included")?;
        if let Some(census) = census {
            to.gauge(
                "rumormill_network_nodes",
                census.nodes,
                "The nodes of the network when they were counted last",
            )?;
        }
        to.counter(
            "rumormill_broadcasts_delivered",
            status.delivered,
            "Broadcasts that the node delivered, its own included",
        )?;
        to.counter(
            "rumormill_broadcasts_lost",
            self.lost,
            "Broadcasts that the node gave up, since nobody has them any more",
        )?;
        to.counter("rumormill_duplicates", status.duplicates, "Copies of broadcasts that came in vain")?;
        to.counter("rumormill_messages_sent", counters.messages_sent, "Messages sent to peers")?;
        to.counter(
            "rumormill_messages_received",
            counters.messages_received,
            "Messages received from peers",
        )?;
        to.bytes("rumormill_sent", counters.bytes_sent, "Bytes of the messages sent to peers")?;
        to.bytes("rumormill_received", counters.bytes_received, "Bytes of the messages received from peers")?;
        let queued = ConstGauge::new(i64::try_from(*queued).unwrap_or(i64::MAX));
        to.write("rumormill_queued", "Bytes that wait to be sent to neighbors", Some(&Unit::Bytes), &queued)?;
        to.gauge(
            "rumormill_log_failed",
            u64::from(*log_failed),
            "Whether the log can no longer be written, for which the node ends: 1, else 0",
        )?;
        to.gauge("rumormill_http_watchers", self.watchers, "Those who read /events now")?;
        to.counter(
            "rumormill_http_walks",
            self.walks,
            "How often the network was asked for its topology, for /network",
        )
    }
}

pub(super) async fn metrics(State(scene): State<Arc<Scene>>) -> Response {
    let glimpse = scene.glimpse();
    let mut registry = Registry::default();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let identity = super::show::digits(glimpse.status.identity);
    let info = Info::new([("version", version), ("identity", identity)]);
    registry.register("rumormill_node", "Which program runs, and who the node is", info);
    registry.register_collector(Box::new(Moment {
        glimpse,
        started: scene.metrics.started,
        lost: scene.feed.lost(),
        watchers: scene.feed.watchers() as u64,
        walks: scene.atlas.walks(),
    }));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
