//! The guarantee, case by case: the pack of mistakes that real gossip systems have made, each of which a naive node makes
//! again and the shipped one does not; and scripts by the thousand.

use rumormill::judge::{Finding, Verdict};
#[cfg(feature = "mill")]
use rumormill::mill::Mill;
use rumormill::report::Summary;
use rumormill::scenario::{DataFolders, Scenario, Source};
use rumormill::{Node, NodeConfig};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The mistakes: the file, what a naive node is like, and which expectation notices.
fn bugs() -> Vec<(&'static str, Value, &'static str)> {
    let tutorial = || json!({"overlay": "tutorial"});
    let lacking = |weakness: &str| json!({"weakness": weakness});
    vec![
        ("a-chain-of-joiners-dies", lacking("no_repair"), "agreement"),
        ("back-before-anybody-noticed", tutorial(), "agreement"),
        ("back-with-the-same-identity", tutorial(), "agreement"),
        ("cold-start-from-address-books", tutorial(), "degree"),
        ("crash-and-heal-at-once", tutorial(), "agreement"),
        ("leave-during-a-join", tutorial(), "degree"),
        ("new-numbers-after-a-lost-log", lacking("reused_sequences"), "integrity"),
        ("one-way-link", tutorial(), "agreement"),
        ("only-holder-crashes-and-returns", tutorial(), "agreement"),
        ("only-holder-loses-its-log", lacking("reused_sequences"), "integrity"),
        ("strangers-after-a-long-cut", lacking("forgets_addresses"), "connected"),
        ("the-same-words-twice", lacking("content_id"), "everyone_delivers"),
        ("two-joins-at-one-link", tutorial(), "degree"),
        ("two-neighbors-leave", json!({"overlay": "regular", "weakness": "no_repair"}), "no_cut"),
    ]
}

fn folder(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-scenarios").join(name);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Plays a scenario with a seed of one's own, if one is given, and with other nodes.
fn findings(path: &Path, seed: Option<u64>, node: Option<&Value>) -> Vec<Finding> {
    let mut text: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    if let Some(seed) = seed {
        text["seed"] = json!(seed);
    }
    if let Some(node) = node {
        text["node"] = node.clone();
    }
    judged(&path.display().to_string(), &text.to_string())
}

fn judged(name: &str, text: &str) -> Vec<Finding> {
    let source = Source { name: name.into(), text: text.into() };
    let scenario = Scenario::<NodeConfig>::parse(&source, &DataFolders::default())
        .unwrap_or_else(|error| panic!("{error}"));
    Summary::simulate::<Node>(&scenario, u64::MAX, |_, _| true).0.judgement.findings
}

#[test]
fn no_mistake_of_others_is_made_again() {
    for path in folder("bugs") {
        for seed in [None, Some(2), Some(3)] {
            for finding in findings(&path, seed, None) {
                let name = path.display();
                assert_eq!(finding.verdict, Verdict::Pass, "{name} --seed {seed:?}: {finding:?}");
            }
        }
    }
}

#[test]
fn every_mistake_is_one_that_a_naive_node_makes() {
    let bugs = bugs();
    let files = folder("bugs");
    let names: Vec<&str> = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, bugs.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    for (path, (name, node, expectation)) in files.iter().zip(&bugs) {
        let findings = findings(path, None, Some(node));
        let finding = findings.iter().find(|finding| finding.expectation == *expectation);
        assert_eq!(finding.map(|f| f.verdict), Some(Verdict::Fail), "{name} with {node}: {findings:#?}");
    }
}

/// What the mill found on the way, shrunk: seed, links, timeline, end.
#[test]
fn scripts_that_broke_it_once_break_nothing() {
    let datagrams = r#"{"kind": {"datagram": {}}, "latency": {"constant": "26ms"}}"#;
    let streams = r#"{"latency": {"constant": "1ms"}}"#;
    let join = |at: &str, count: u32, every: &str| {
        format!(r#"{{"at": "{at}", "do": {{"join": {{"count": {count}, "every": "{every}"}}}}}}"#)
    };
    let step =
        |at: &str, what: &str, who: u32| format!(r#"{{"at": "{at}", "do": {{"{what}": {{"who": {who}}}}}}}"#);
    let twice = r#"{"at": "600ms", "do": {"duplication": {"share": 0.37, "for": "1275ms"}}}"#;
    let pause = r#"{"at": "800ms", "do": {"pause": {"who": 2, "for": "3462ms"}}}"#;
    let broadcast = r#"{"at": "800ms", "do": {"broadcast": {"from": 2}}}"#;
    let silent =
        |who: u32| format!(r#"{{"at": "2s", "do": {{"crash": {{"who": {who}, "detection": "silence"}}}}}}"#);
    let leaves = |at: &str, who: &[u32]| who.iter().map(|&who| step(at, "leave", who)).collect::<Vec<_>>();
    for (seed, links, steps) in [
        // Walks that came twice, and walked on twice.
        (2_047_585_764, datagrams, vec![join("0s", 4, "200ms"), twice.into()]),
        // A newcomer and the only one that it knew, which starts again at that moment.
        (0, streams, vec![join("0s", 2, "200ms"), step("200ms", "crash", 0), step("200ms", "restart", 0)]),
        // Newcomers who find only each other, while one of them takes itself for the network.
        (
            0,
            streams,
            [vec![join("0s", 2, "200ms"), join("200ms", 10, "0s")], leaves("200ms", &[3, 0, 1, 2])].concat(),
        ),
        (
            0,
            streams,
            [vec![join("0s", 11, "200ms"), join("2s", 3, "0s"), silent(1), silent(2)], leaves("2s", &[0])]
                .concat(),
        ),
        // One that is told to leave, and stands still.
        (
            0,
            streams,
            [
                vec![join("0s", 5, "200ms")],
                leaves("800ms", &[0, 1]),
                vec![broadcast.into(), pause.into()],
                leaves("800ms", &[2]),
            ]
            .concat(),
        ),
    ] {
        let text = format!(
            r#"{{"seed": {seed}, "links": {links}, "timeline": [{}], "end": "130s",
                "expect": ["agreement", "no_silent_loss", "no_duplication", "integrity", "validity", "repair"]}}"#,
            steps.join(", ")
        );
        for finding in judged("a script", &text) {
            assert!(finding.verdict != Verdict::Fail, "{text}: {finding:?}");
        }
    }
}

/// Two thousand random scripts in two tests, which run side by side. More: `rumormill mill --cases 100000`.
#[cfg(feature = "mill")]
fn check(seed: u64) {
    let ground = Mill::<Node>::new(NodeConfig::default()).cases(1_000).seed(seed).run();
    assert!(ground.unwrap_or_else(|failure| panic!("{failure}")).passed > 800);
}

#[test]
#[cfg(feature = "mill")]
fn a_thousand_random_scripts_break_nothing() {
    check(1);
}

#[test]
#[cfg(feature = "mill")]
fn nor_do_a_thousand_others() {
    check(2);
}
