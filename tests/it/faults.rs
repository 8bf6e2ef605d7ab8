//! Faults: that each does what it says, that it is told what it did, and that one which did nothing makes a run worth
//! nothing.

use rumormill::fault::{Condition, Crash, Cut};
use rumormill::judge::Verdict;
use rumormill::report::Summary;
use rumormill::scenario::{DataFolders, Scenario, Source};
use rumormill::{Network, Node, NodeConfig, NodeId, SimConfig, Topology};
use serde_json::{Value, json};
use std::time::Duration;

/// Plays a scenario that is made of these parts.
fn play(parts: Value) -> Summary {
    let mut scenario = json!({
        "topology": {"complete": {"nodes": 6}},
        "node": {"overlay": "tutorial"},
        "end": "60s",
        "expect": ["agreement"]
    });
    let object = scenario.as_object_mut().unwrap();
    object.extend(parts.as_object().unwrap().clone());
    let source = Source { name: "parts".into(), text: scenario.to_string() };
    let parsed = Scenario::<NodeConfig>::parse(&source, &DataFolders::new([]));
    let scenario = parsed.unwrap_or_else(|error| panic!("{error}"));
    Summary::simulate::<Node>(&scenario, u64::MAX, |_, _| true).0
}

fn datagrams() -> Value {
    json!({"kind": {"datagram": {}}})
}

/// One fault at 5 s, among broadcasts from 1 s to 20 s.
fn with(fault: Value, links: Value) -> Summary {
    play(json!({
        "links": links,
        "timeline": [
            {"at": "1s", "do": {"broadcast": {"from": "random", "count": 200, "every": "100ms"}}},
            {"at": "5s", "do": fault}
        ]
    }))
}

#[test]
fn every_fault_tells_what_it_did() {
    // (fault, links, whether it has effects on messages, on ends of links, on nodes)
    let cases = [
        (json!({"crash": {"who": {"share": 0.5}}}), json!({}), (false, false, true)),
        (
            json!({"crash": {"who": "genesis", "detection": "silence", "for": "3s"}}),
            json!({}),
            (false, false, true),
        ),
        (json!({"partition": {"for": "2s"}}), json!({}), (true, false, false)),
        (json!({"partition": {"for": "8s"}}), json!({}), (true, true, false)),
        (json!({"partition": {"for": "8s"}}), datagrams(), (true, true, false)),
        (
            json!({"partition": {"into": {"isolate": 2}, "one_way": true, "for": "8s"}}),
            json!({}),
            (true, true, false),
        ),
        (
            json!({"partition": {"into": {"groups": [[0, 1], [2, 3]]}, "for": "1s", "count": 3, "every": "2s"}}),
            json!({}),
            (true, false, false),
        ),
        (json!({"loss": {"share": 0.2, "for": "5s"}}), datagrams(), (true, false, false)),
        (json!({"duplication": {"share": 0.2, "for": "5s"}}), datagrams(), (true, false, false)),
        (json!({"reordering": {"share": 0.2, "by": "50ms", "for": "5s"}}), datagrams(), (true, false, false)),
        (
            json!({"delay": {"by": "50ms", "jitter": "1s", "share": 0.2, "for": "5s"}}),
            json!({}),
            (true, false, false),
        ),
        (json!({"reset": {"share": 0.2}}), json!({}), (false, true, false)),
        (json!({"pause": {"who": 3, "for": "2s"}}), json!({}), (false, false, true)),
        (json!({"pause": {"who": 3, "for": "6s"}}), json!({}), (false, true, true)),
        (json!({"slow": {"who": 3, "by": "30ms", "for": "5s"}}), json!({}), (false, false, true)),
        (json!({"clock": {"who": 3, "ahead": "10s", "drift_ppm": 1000}}), json!({}), (false, false, true)),
        (json!({"uplink": {"bytes_per_second": 1000, "for": "5s"}}), json!({}), (true, false, false)),
        (
            json!({"churn": {"for": "20s", "arrivals_every": "1s", "session": {"exponential": {"mean": "10s"}}}}),
            json!({}),
            (false, false, true),
        ),
    ];
    for (fault, links, expected) in cases {
        let summary = with(fault.clone(), links);
        let [told] = &summary.faults[..] else { panic!("{fault}: one fault") };
        let effects = (told.messages > 0, told.link_ends > 0, told.nodes + told.handled > 0);
        assert_eq!(effects, expected, "{fault}: {told}");
        assert!(told.first_ns >= Some(5_000_000_000) && told.last_ns >= told.first_ns, "{fault}: {told}");
        assert_ne!(summary.verdict(), Verdict::Vacuous, "{fault}: {summary}");
    }
}

#[test]
fn a_fault_that_does_nothing_makes_the_run_vacuous_and_is_named() {
    let two = json!({"groups": [[0, 1, 2, 3, 4, 5], []]});
    let cases = [
        (json!({"partition": {"into": two, "for": "5s"}}), json!({}), "partition"),
        (json!({"crash": {"who": {"share": 0.0}}}), json!({}), "crash"),
        (json!({"restart": {}}), json!({}), "restart"),
        (json!("heal"), json!({}), "heal"),
        (json!({"loss": {"share": 0.0}}), datagrams(), "loss"),
        (json!({"duplication": {"share": 0.0}}), datagrams(), "duplication"),
        (json!({"reordering": {"share": 1.0, "by": "0s"}}), datagrams(), "reordering"),
        (json!({"delay": {"by": "0s"}}), json!({}), "delay"),
        (json!({"reset": {"share": 0.0}}), json!({}), "reset"),
        (json!({"slow": {"by": "0s"}}), json!({}), "slow"),
        (json!({"clock": {}}), json!({}), "clock"),
        (json!({"uplink": {"bytes_per_second": u64::MAX}}), json!({}), "uplink"),
    ];
    for (fault, links, name) in cases {
        let summary = with(fault.clone(), links);
        assert_eq!(summary.verdict(), Verdict::Vacuous, "{fault}: {summary}");
        let named = summary.judgement.findings.iter().any(|finding| {
            finding.verdict == Verdict::Vacuous && finding.expectation == format!("step 1 ({name})")
        });
        assert!(named, "{fault}: {summary}");
    }
}

#[test]
fn a_fault_after_the_end_is_vacuous_too() {
    let session = json!({"exponential": {"mean": "10s"}});
    let summary = play(json!({
        "timeline": [
            {"at": "1s", "do": {"broadcast": {"from": 0}}},
            {"at": "61s", "do": {"churn": {"for": "20s", "session": session}}}
        ]
    }));
    assert_eq!(summary.verdict(), Verdict::Vacuous, "{summary}");
    assert!(summary.to_string().contains("it was to begin at 61s, after the end"), "{summary}");
}

/// Chaos first, then calm, then judgement.
#[test]
fn nothing_is_judged_while_a_fault_goes_on() {
    let cut = json!({"into": {"groups": [[0, 1, 2], [3, 4, 5]]}});
    let timeline = |cut: &Value| {
        json!([
            {"at": "5s", "do": {"partition": cut}},
            {"at": "20s", "do": {"broadcast": {"from": 0}}}
        ])
    };
    for expect in ["agreement", "everyone_delivers", "connected", "no_silent_loss"] {
        let summary = play(json!({"timeline": timeline(&cut), "expect": [expect]}));
        assert_eq!(summary.verdict(), Verdict::Unknown, "{expect}: {summary}");
    }
    let mut healed = cut.clone();
    healed["for"] = json!("30s");
    let summary = play(json!({"timeline": timeline(&healed), "end": "10min"}));
    assert_eq!(summary.verdict(), Verdict::Fail, "the tutorial's nodes never make up for it: {summary}");
}

/// Nodes of a given topology know their neighbors only: what was held together by a node that crashed is apart for good, and
/// no protocol is to blame.
#[test]
fn where_nobody_knows_the_way_nothing_is_promised() {
    let summary = play(json!({
        "topology": {"line": {"nodes": 5}},
        "node": {"overlay": "static"},
        "timeline": [
            {"at": "1s", "do": {"crash": {"who": 2}}},
            {"at": "10s", "do": {"broadcast": {"from": 0}}}
        ],
        "end": "5min", "expect": ["agreement", "repair"]
    }));
    for finding in &summary.judgement.findings {
        assert_eq!(finding.verdict, Verdict::Unknown, "{finding:?}");
        let text = "there were 2 parts that knew nobody of each other, the smallest of 2 around node 0";
        assert!(finding.evidence.contains(text), "{finding:?}");
    }
}

/// What it knows is asked even if nothing is ever done to the network.
#[test]
fn a_network_that_was_never_one_is_nobodys_fault() {
    let summary = play(json!({
        "topology": {"random_regular": {"nodes": 6, "degree": 1}},
        "node": {"overlay": "static"},
        "timeline": [{"at": "10s", "do": {"broadcast": {"from": 0}}}],
        "end": "5min", "expect": ["agreement"]
    }));
    let finding = &summary.judgement.findings[0];
    assert_eq!(finding.verdict, Verdict::Unknown, "{finding:?}");
    assert!(finding.evidence.contains("there were 3 parts that knew nobody of each other"), "{finding:?}");
}

/// What is judged is the network just before it was shut down.
#[test]
fn a_shutdown_takes_no_overlay_apart() {
    let summary = play(json!({
        "timeline": [
            {"at": "1s", "do": {"broadcast": {"from": 0}}},
            {"at": "80s", "do": "shutdown"}
        ],
        "end": "100s", "expect": ["repair", "agreement"]
    }));
    for finding in &summary.judgement.findings {
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
    }
}

/// A reliable link holds what is sent over a cut, as long as it is not given up; a datagram is gone.
#[test]
fn a_short_cut_delays_streams_and_loses_datagrams() {
    let timeline = json!([
        {"at": "5s", "do": {"partition": {"into": {"isolate": 3}, "for": "2s"}}},
        {"at": "6s", "do": {"broadcast": {"from": 0, "count": 3, "every": "100ms"}}}
    ]);
    let streams = play(json!({"timeline": timeline, "end": "5min"}));
    assert_eq!(streams.verdict(), Verdict::Pass, "{streams}");
    let last: Vec<u64> = streams.listed.iter().filter_map(|listed| listed.last_ns).collect();
    // Sent at 6.0, 6.1, 6.2 s; on their way again at 7 s, for 10 ms.
    assert_eq!(last, [1_010_000_000, 910_000_000, 810_000_000]);
    let datagrams = play(json!({"timeline": timeline, "links": datagrams(), "end": "5min"}));
    assert_eq!(datagrams.verdict(), Verdict::Fail, "{datagrams}");
}

/// What waits for a node that stands still is handled when it goes on, in order.
#[test]
fn a_paused_node_makes_up_for_it() {
    let summary = play(json!({
        "timeline": [
            {"at": "5s", "do": {"pause": {"who": 3, "for": "2s"}}},
            {"at": "6s", "do": {"broadcast": {"from": 0}}}
        ],
        "end": "5min",
        "expect": ["agreement", "no_duplication", "integrity", "validity"]
    }));
    assert_eq!(summary.verdict(), Verdict::Pass, "{summary}");
    assert_eq!(summary.listed[0].last_ns, Some(1_000_000_000));
}

/// One thing after the other, each in its time: of three copies that come together, the third is handled two times later.
#[test]
fn a_slow_node_handles_one_thing_after_the_other() {
    let summary = play(json!({
        "topology": {"complete": {"nodes": 2}},
        "node": {"overlay": "static"},
        "timeline": [
            {"at": "1s", "do": {"slow": {"who": 1, "by": "40ms"}}},
            {"at": "6s", "do": {"broadcast": {"from": 0, "count": 3}}}
        ]
    }));
    let last: Vec<u64> = summary.listed.iter().filter_map(|listed| listed.last_ns).collect();
    assert_eq!(last, [10_000_000, 50_000_000, 90_000_000], "{summary}");
}

/// An uplink passes so many bytes a second, one message after the other.
#[test]
fn an_uplink_passes_so_many_bytes_a_second() {
    let summary = play(json!({
        "topology": {"complete": {"nodes": 2}},
        "node": {"overlay": "static"},
        "timeline": [
            {"at": "1s", "do": {"uplink": {"who": 0, "bytes_per_second": 1000}}},
            {"at": "6s", "do": {"broadcast": {"from": 0, "count": 2}}}
        ]
    }));
    let bytes = summary.bytes_sent.most as u64 / 2;
    let last: Vec<u64> = summary.listed.iter().filter_map(|listed| listed.last_ns).collect();
    assert_eq!(last, [10_000_000 + bytes * 1_000_000, 10_000_000 + 2 * bytes * 1_000_000], "{summary}");
}

/// What the application asks of a node that stands still, it does when it goes on.
#[test]
fn a_command_waits_for_a_paused_node() {
    let summary = play(json!({
        "timeline": [
            {"at": "5s", "do": {"pause": {"who": 3, "for": "2s"}}},
            {"at": "6s", "do": {"broadcast": {"from": 3}}}
        ],
        "end": "5min"
    }));
    assert_eq!(summary.verdict(), Verdict::Pass, "{summary}");
    assert_eq!(summary.listed[0].published_ns, 7_000_000_000);
}

/// What a first attack on the faults found, each with what is right.
#[test]
fn faults_on_top_of_each_other() {
    let star = json!({"star": {"nodes": 4}});
    let line = |nodes: u32| json!({"line": {"nodes": nodes}});
    let flat = json!({"overlay": "static"});
    // A node that leaves while it stands still handles things again when it is back.
    let summary = play(json!({"topology": star, "node": flat, "expect": ["everyone_delivers"], "timeline": [
        {"at": "1s", "do": {"pause": {"who": 0, "for": "2s"}}},
        {"at": "2100ms", "do": {"leave": {"who": 0}}},
        {"at": "30s", "do": {"restart": {"who": 0}}},
        {"at": "40s", "do": {"broadcast": {"from": 1}}}
    ]}));
    assert_eq!((summary.verdict(), summary.coverage.delivered), (Verdict::Pass, 4), "{summary}");
    // Of two reasons to be slow, neither waits for the other.
    let slow = json!({"slow": {"who": 1, "by": "10ms"}});
    let summary = play(json!({"topology": line(2), "node": flat, "timeline": [
        {"at": "0s", "do": slow}, {"at": "1s", "do": {"broadcast": {"from": 0}}},
        {"at": "1005ms", "do": slow}, {"at": "1005ms", "do": {"broadcast": {"from": 0}}}
    ]}));
    assert_eq!(summary.verdict(), Verdict::Pass, "{summary}");
    // Cuts that follow each other without a gap are one long silence.
    let summary = play(json!({"topology": line(4), "node": flat, "timeline": [
        {"at": "1s", "do": {"partition": {"into": {"groups": [[0, 1], [2, 3]]}, "for": "2s", "count": 10, "every": "1s"}}},
        {"at": "2s", "do": {"broadcast": {"from": 0}}}
    ]}));
    assert_eq!(summary.faults[0].link_ends, 2, "{summary}");
    // What a slow disk has not said yet is not known.
    let summary =
        play(json!({"topology": line(4), "node": flat, "disk": {"sync": "10s"}, "expect": ["validity"],
            "timeline": [{"at": "55s", "do": {"broadcast": {"from": 0}}}]
        }));
    assert_eq!(summary.verdict(), Verdict::Unknown, "{summary}");
    // A message that is lost is neither doubled nor late.
    let all = |name: &str, extra: Value| {
        let mut step = json!({"share": 1.0, "for": "2s"});
        step.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"at": "1s", "do": {name: step}})
    };
    let summary = play(json!({"topology": line(4), "node": flat, "links": datagrams(), "timeline": [
        all("duplication", json!({})), all("reordering", json!({"by": "1s"})), all("loss", json!({})),
        {"at": "2s", "do": {"broadcast": {"from": 0}}}, {"at": "5s", "do": {"broadcast": {"from": 0}}}
    ]}));
    let messages: Vec<u64> = summary.faults.iter().map(|fault| fault.messages).collect();
    assert_eq!(messages, [0, 0, 1], "{summary}");
}

/// A peer learns that a node is gone, however often it comes and goes behind a cut.
#[test]
fn a_second_crash_does_not_hide_the_first() {
    let graph = Topology::Star { nodes: 4 }.build(1).unwrap();
    let mut network = Network::simulated(SimConfig::<Node>::new(graph), 1);
    network.run_for(Duration::from_secs(1));
    let cut = network.impose(Condition::Cut(Cut { groups: vec![0, 1, 1, 1], one_way: false }.into()));
    for _ in 0..2 {
        network.crash(NodeId(1), Crash::default());
        network.run_for(Duration::from_millis(100));
        network.restart(NodeId(1));
        network.run_for(Duration::from_millis(100));
    }
    network.crash(NodeId(1), Crash::default());
    network.run_for(Duration::from_millis(500));
    assert!(network.lift(cut) && !network.lift(cut));
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.view(NodeId(0)).neighbors, [NodeId(2), NodeId(3)]);
}
