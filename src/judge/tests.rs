//! Verdicts on runs that are made up, observation by observation.

use super::*;
use crate::graph::Graph;
use crate::id::Identity;
use crate::message::{Broadcast, Message, Origin, Timestamp};
use crate::observe::{Observation, Observer, Parcel};
use crate::protocol::Notice;
use crate::protocol::View;

/// Three nodes in a line; node 0 broadcasts at 0 s. `delivered`: who delivers when, in milliseconds, after one hop each;
/// `payloads`: how many copies were sent.
fn run(delivered: &[(u32, u64)], payloads: u64) -> Metrics {
    let mut metrics = Metrics::default();
    let node = NodeId;
    for id in 0..3 {
        metrics.observe(Time::ZERO, Observation::Started { node: node(id), is_member: true });
    }
    for (a, b) in [(0, 1), (1, 2)] {
        metrics.observe(Time::ZERO, Observation::LinkUp { node: node(a), peer: node(b), session: 1 });
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
    for (delivered, payloads, on_their_way, expectation, verdict) in cases {
        let in_flight = InFlight { messages: on_their_way, payloads: on_their_way, ..InFlight::default() };
        let judgement = judged(&run(delivered, payloads), &expectation, in_flight, &course(1));
        assert_eq!(judgement.findings[0].verdict, verdict, "{delivered:?} {expectation:?} {judgement:?}");
    }
}

/// A run to its end in which so many broadcasts were asked for.
fn course(asked: u64) -> Course {
    Course { asked, complete: true, ..Course::default() }
}

fn graph_of_three() -> Graph {
    Graph::from_edges(3, &[(0, 1), (1, 2)])
}

fn judged(metrics: &Metrics, expectation: &Expectation, in_flight: InFlight, course: &Course) -> Judgement {
    let end = Time::from_nanos(100_000_000);
    let graph = graph_of_three();
    let closing = Closing { time: end, present: vec![true; 3], graph: graph.into(), messages_sent: 0 };
    let view = |node: NodeId| match node.0 {
        1 => View { inbox: vec![(NodeId(0), message("hi")), (NodeId(2), message("ho"))], ..View::default() },
        _ => View::default(),
    };
    let find = |selector: &Selector| match selector {
        Selector::Number(number) => Some(NodeId(*number as u32)),
        Selector::Name(_) => None,
    };
    let chronicle = Chronicle::new(graph_of_three());
    let latency = |_, _| Duration::from_millis(10);
    let evidence = Evidence {
        metrics,
        oracle: &Oracle::new(&chronicle, &latency),
        closing: &closing,
        in_flight,
        end,
        course,
        broadcasts: &Broadcasts::default(),
        guarantee: &GuaranteeFile::default(),
        view: &view,
        find: &find,
    };
    judge(std::slice::from_ref(expectation), evidence)
}

fn message(text: &str) -> Message {
    let identity = Identity::simulated(1, NodeId(0));
    Message::new((identity, 1), None, 0, String::new(), text.into(), Timestamp::default())
}

#[test]
fn the_population_has_its_verdicts() {
    let received = |node, from, message: Option<&str>, count| {
        let from = if from < 0 { None } else { Some(Selector::Number(from as u64)) };
        let message = message.map(str::to_owned);
        Expectation::Received(ReceivedExpectation { node: Selector::Number(node), from, message, count })
    };
    let end = |up, sent| Course { shutdown: Some(Aftermath { up, sent }), ..course(1) };
    for (expectation, course, verdict) in [
        (Expectation::Peers(between(Some(1), Some(2))), course(1), Verdict::Pass),
        (Expectation::Peers(between(Some(2), None)), course(1), Verdict::Fail),
        (Expectation::Size(between(Some(3), Some(3))), course(1), Verdict::Pass),
        (Expectation::Size(between(Some(4), None)), course(1), Verdict::Fail),
        (received(1, -1, None, 2), course(1), Verdict::Pass),
        (received(1, 0, Some("hi"), 1), course(1), Verdict::Pass),
        (received(1, 2, Some("hi"), 1), course(1), Verdict::Fail),
        (received(0, -1, None, 1), course(1), Verdict::Fail),
        (Expectation::Stopped, course(1), Verdict::Vacuous),
        (Expectation::Stopped, end(0, 0), Verdict::Pass),
        (Expectation::Stopped, end(1, 0), Verdict::Fail),
        (Expectation::Stopped, end(0, 1), Verdict::Fail),
    ] {
        let judgement = judged(&run(ALL, 2), &expectation, InFlight::default(), &course);
        assert_eq!(judgement.findings[0].verdict, verdict, "{expectation:?} {judgement:?}");
    }
}

#[test]
fn what_did_not_happen_is_no_test() {
    let verdict = |course: &Course| {
        judged(&run(ALL, 2), &Expectation::EveryoneDelivers, InFlight::default(), course).verdict
    };
    assert_eq!(verdict(&course(1)), Verdict::Pass);
    assert_eq!(verdict(&course(2)), Verdict::Vacuous, "one of two that were asked for was never published");
    let idle = vec![IdleStep { step: 3, time: Time::ZERO }];
    assert_eq!(verdict(&Course { idle, ..course(1) }), Verdict::Vacuous);
    assert_eq!(verdict(&Course { complete: false, ..course(1) }), Verdict::Unknown);
}
