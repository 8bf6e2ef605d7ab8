//! Verdicts on runs that are made up, observation by observation.

use super::*;
use crate::id::{Identity, NodeId};
use crate::message::{Broadcast, Broadcasts, Origin, Timestamp};
use crate::observe::{Observation, Observer, Parcel};
use crate::protocol::Notice;

/// Three nodes in a line; node 0 broadcasts at 0 s. `delivered`: who delivers when, in milliseconds, after one hop each;
/// `payloads`: how many copies were sent.
fn run(delivered: &[(u32, u64)], payloads: u64) -> Metrics {
    let mut metrics = Metrics::default();
    let node = NodeId;
    for id in 0..3 {
        metrics.observe(Time::ZERO, Observation::Started { node: node(id) });
    }
    for (a, b) in [(0, 1), (1, 2)] {
        metrics.observe(Time::ZERO, Observation::LinkUp { node: node(a), peer: node(b) });
    }
    let origin = Origin { node: node(0), incarnation: 1 };
    let identity = Identity::simulated(1, node(0));
    let broadcast = Broadcast::new(origin, identity, 0, String::new(), String::new(), Timestamp::default());
    let payload = Broadcasts::default().insert(broadcast.clone());
    metrics.observe(Time::ZERO, Observation::Published { payload, broadcast: &broadcast });
    let parcel = Parcel { from: node(0), to: node(1), kind: "data", payload: Some(payload), bytes: 1 };
    (0..payloads).for_each(|_| metrics.observe(Time::ZERO, Observation::Sent(parcel)));
    for &(id, millis) in delivered {
        let notice = Notice::Delivered { payload, hops: id };
        metrics
            .observe(Time::from_nanos(millis * 1_000_000), Observation::Noticed { node: node(id), notice });
    }
    metrics
}

const ALL: &[(u32, u64)] = &[(0, 0), (1, 10), (2, 20)];
const NOT_2: &[(u32, u64)] = &[(0, 0), (1, 10)];
const TWICE: &[(u32, u64)] = &[(0, 0), (1, 10), (2, 20), (2, 30)];
const NOBODY_ELSE: &[(u32, u64)] = &[(0, 0)];

fn latency(share: f64, millis: u64) -> Expectation {
    Expectation::Latency(LatencyExpectation { share, max: Duration::from_millis(millis) })
}

fn between<T>(min: Option<T>, max: Option<T>) -> Range<T> {
    Range { min, max }
}

type Case = (&'static [(u32, u64)], u64, u64, Expectation, Verdict);

#[test]
fn every_expectation_has_its_verdicts() {
    use Expectation::{Connected, EveryoneDelivers, Messages, Redundancy};
    use Verdict::{Fail, Pass, Unknown, Vacuous};
    // (delivered, payload messages sent, still on their way, expectation, verdict of that expectation)
    let cases: Vec<Case> = vec![
        (ALL, 2, 0, EveryoneDelivers, Pass),
        (NOT_2, 2, 0, EveryoneDelivers, Fail),
        (NOT_2, 2, 1, EveryoneDelivers, Unknown),
        (TWICE, 2, 0, EveryoneDelivers, Fail),
        (ALL, 2, 0, Connected, Pass),
        (ALL, 2, 0, latency(1.0, 20), Pass),
        (ALL, 2, 0, latency(1.0, 19), Fail),
        (ALL, 2, 0, latency(0.5, 10), Pass),
        (ALL, 2, 0, latency(0.51, 10), Fail),
        (NOT_2, 2, 0, latency(1.0, 500), Fail),
        (NOT_2, 2, 1, latency(1.0, 500), Unknown),
        (NOT_2, 2, 1, latency(1.0, 50), Fail),
        // The origin has its own broadcast at once: that is no share of those who are to get it.
        (NOBODY_ELSE, 2, 0, latency(0.1, 500), Fail),
        (ALL, 2, 0, Messages(between(Some(2), Some(2))), Pass),
        (ALL, 3, 0, Messages(between(None, Some(2))), Fail),
        (ALL, 3, 1, Messages(between(None, Some(2))), Fail),
        (ALL, 1, 0, Messages(between(Some(2), None)), Fail),
        (ALL, 1, 1, Messages(between(Some(2), None)), Unknown),
        (ALL, 0, 0, Messages(between(None, Some(2))), Vacuous),
        (NOBODY_ELSE, 0, 0, Messages(between(None, Some(2))), Vacuous),
        (ALL, 2, 0, Redundancy(between(None, Some(0.0))), Pass),
        (ALL, 3, 0, Redundancy(between(None, Some(0.4))), Fail),
        (ALL, 3, 1, Redundancy(between(None, Some(0.4))), Unknown),
        (ALL, 0, 0, Redundancy(between(None, Some(0.4))), Vacuous),
    ];
    let graph = Graph::from_edges(3, &[(0, 1), (1, 2)]);
    for (delivered, payloads, on_their_way, expectation, verdict) in cases {
        let metrics = run(delivered, payloads);
        let evidence = Evidence {
            metrics: &metrics,
            graph: &graph,
            in_flight: InFlight { messages: on_their_way, payloads: on_their_way },
            end: Time::from_nanos(100_000_000),
            course: Course { asked: 1, complete: true },
        };
        let judgement = judge(std::slice::from_ref(&expectation), evidence);
        assert_eq!(judgement.findings[0].verdict, verdict, "{delivered:?} {expectation:?} {judgement:?}");
    }
}

#[test]
fn what_was_asked_for_and_never_published_is_no_test() {
    let metrics = run(ALL, 2);
    let graph = Graph::from_edges(3, &[(0, 1), (1, 2)]);
    let evidence = Evidence {
        metrics: &metrics,
        graph: &graph,
        in_flight: InFlight::default(),
        end: Time::from_nanos(100_000_000),
        course: Course { asked: 2, complete: true },
    };
    assert_eq!(judge(&[Expectation::Connected], evidence).verdict, Verdict::Vacuous);
    let asked_once = Evidence { course: Course { asked: 1, complete: true }, ..evidence };
    assert_eq!(judge(&[Expectation::Connected], asked_once).verdict, Verdict::Pass);
    let interrupted = Evidence { course: Course { asked: 1, complete: false }, ..evidence };
    assert_eq!(judge(&[Expectation::Connected], interrupted).verdict, Verdict::Unknown);
}
