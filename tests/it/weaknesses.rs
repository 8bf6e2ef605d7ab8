//! A judge that cannot catch its weakness is no judge: for each weakness a scenario that passes with the shipped node, and
//! the judge that notices when the node lacks something.

use rumormill::judge::{Finding, Verdict};
use rumormill::node::Weakness;
use rumormill::report::Summary;
use rumormill::scenario::{DataFolders, Scenario, Source};
use rumormill::{Node, NodeConfig, Protocol};

/// Plays a scenario, its nodes weakened or not; what became of its expectations.
fn findings(scenario: &str, weakness: Option<Weakness>) -> Vec<Finding> {
    let source = Source { name: "test".into(), text: scenario.into() };
    let mut scenario: Scenario<NodeConfig> =
        Scenario::parse(&source, &DataFolders::default()).unwrap_or_else(|error| panic!("{error}"));
    if let Some(weakness) = weakness {
        let variants = Node::weakened(&scenario.file.node);
        let named = variants.into_iter().find(|(name, _)| *name == weakness.name());
        scenario.file.node = named.expect("every weakness has its variant").1;
    }
    Summary::simulate::<Node>(&scenario, u64::MAX, |_, _| true).0.judgement.findings
}

/// The scenario passes as it is, and with the weakness this judge says that it fails.
fn check(weakness: Weakness, judge: &str, scenario: &str) {
    for finding in findings(scenario, None) {
        assert_eq!(finding.verdict, Verdict::Pass, "{weakness:?}, without it: {finding:?}");
    }
    let weak = findings(scenario, Some(weakness));
    let caught = weak.iter().any(|finding| finding.expectation == judge && finding.verdict == Verdict::Fail);
    assert!(caught, "`{judge}` does not catch {weakness:?}: {weak:?}");
}

#[test]
fn without_a_memory_of_duplicates() {
    let scenario = r#"{
        "topology": { "ring": { "nodes": 10 } },
        "timeline": [ { "at": "0s", "do": { "broadcast": { "from": 0 } } } ],
        "end": "1s", "expect": ["no_duplication"]
    }"#;
    check(Weakness::NoDuplicateMemory, "no_duplication", scenario);
}

#[test]
fn forwarding_to_one_neighbor() {
    let scenario = r#"{
        "topology": { "star": { "nodes": 10 } },
        "timeline": [ { "at": "0s", "do": { "broadcast": { "from": 0 } } } ],
        "end": "1s", "expect": ["everyone_delivers", "agreement"]
    }"#;
    check(Weakness::OneNeighbor, "everyone_delivers", scenario);
    check(Weakness::OneNeighbor, "agreement", scenario);
}

/// The second "hello" is swallowed.
#[test]
fn an_id_of_the_content_alone() {
    let scenario = r#"{
        "topology": { "ring": { "nodes": 10 } },
        "timeline": [ { "at": "0s", "do": { "broadcast": { "from": 0, "count": 2, "every": "1s" } } } ],
        "end": "3s", "expect": ["everyone_delivers", "validity"]
    }"#;
    check(Weakness::ContentId, "everyone_delivers", scenario);
    check(Weakness::ContentId, "validity", scenario);
}

#[test]
fn sequences_that_are_used_again_after_a_crash() {
    let scenario = r#"{
        "topology": { "ring": { "nodes": 10 } },
        "disk": { "sync": "5ms" },
        "timeline": [
            { "at": "0s", "do": { "broadcast": { "from": 0, "message": "before" } } },
            { "at": "1s", "do": { "crash": { "who": 0, "for": "1s" } } },
            { "at": "3s", "do": { "broadcast": { "from": 0, "message": "after" } } }
        ],
        "end": "70s", "expect": ["integrity", "validity", "agreement", "no_duplication"]
    }"#;
    check(Weakness::ReusedSequences, "integrity", scenario);
    check(Weakness::ReusedSequences, "validity", scenario);
}

#[test]
fn without_a_log() {
    let scenario = r#"{
        "topology": { "ring": { "nodes": 10 } },
        "timeline": [
            { "at": "0s", "do": { "broadcast": { "from": 0 } } },
            { "at": "1s", "do": { "crash": { "who": 3, "for": "1s" } } }
        ],
        "end": "70s", "expect": ["agreement", "no_silent_loss", "no_duplication"]
    }"#;
    check(Weakness::NoLog, "agreement", scenario);
    check(Weakness::NoLog, "no_silent_loss", scenario);
}

#[test]
fn without_repair() {
    let scenario = r#"{
        "node": { "overlay": "tutorial" },
        "timeline": [
            { "at": "0s", "do": { "join": { "count": 30, "every": "200ms" } } },
            { "at": "20s", "do": { "broadcast": { "from": "random" } } },
            { "at": "30s", "do": { "crash": { "who": { "share": 0.4 } } } }
        ],
        "end": "200s", "expect": ["connected", { "peers": { "min": 3 } }]
    }"#;
    check(Weakness::NoRepair, "peers at least 3", scenario);
}

#[test]
fn without_a_second_try() {
    let scenario = r#"{
        "topology": { "ring": { "nodes": 3 } },
        "links": { "kind": { "datagram": { "loss": 0.1 } } },
        "timeline": [ { "at": "0s", "do": { "send": { "from": 0, "to": 1, "count": 20, "every": "100ms" } } } ],
        "end": "60s", "expect": [{ "received": { "node": 1, "from": 0, "count": 20 } }]
    }"#;
    check(Weakness::NoRetry, "received by 1 from 0: 20", scenario);
}

/// Who was cut off from all has found all of them unreachable.
#[test]
fn forgetting_addresses() {
    let scenario = r#"{
        "node": { "overlay": "tutorial" },
        "timeline": [
            { "at": "0s", "do": { "join": { "count": 10, "every": "200ms" } } },
            { "at": "20s", "do": { "partition": { "into": { "isolate": 4 }, "for": "60s" } } },
            { "at": "250s", "do": { "broadcast": { "from": "random" } } }
        ],
        "end": "300s", "expect": ["connected", "everyone_delivers"]
    }"#;
    check(Weakness::ForgetsAddresses, "connected", scenario);
    check(Weakness::ForgetsAddresses, "everyone_delivers", scenario);
}

/// A node of a given topology that starts again gets its place back: what it says reaches everybody, and goes through it.
#[test]
fn a_node_that_starts_again_is_on_its_ring_again() {
    let scenario = r#"{
        "topology": { "line": { "nodes": 5 } },
        "timeline": [
            { "at": "1s", "do": { "crash": { "who": 2, "for": "1s" } } },
            { "at": "3s", "do": { "broadcast": { "from": 0 } } },
            { "at": "4s", "do": { "broadcast": { "from": 2 } } }
        ],
        "end": "70s", "expect": ["everyone_delivers", "agreement", "no_duplication"]
    }"#;
    for finding in findings(scenario, None) {
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
    }
}

/// A broadcast that a crash caught on its way to the disk never was; its number is used again, and nobody is misled.
#[test]
fn what_was_not_safe_never_was() {
    let scenario = r#"{
        "topology": { "ring": { "nodes": 5 } },
        "disk": { "sync": "1s" },
        "timeline": [
            { "at": "0s", "do": { "broadcast": { "from": 0, "message": "safe" } } },
            { "at": "2s", "do": { "broadcast": { "from": 0, "message": "lost" } } },
            { "at": "2500ms", "do": { "crash": { "who": 0, "for": "1s" } } },
            { "at": "5s", "do": { "broadcast": { "from": 0, "message": "again" } } }
        ],
        "end": "70s", "expect": ["integrity", "validity", "agreement", "no_duplication", "no_silent_loss"]
    }"#;
    for finding in findings(scenario, None) {
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
    }
}
