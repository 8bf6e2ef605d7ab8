//! The guarantee, case by case: the pack of mistakes that real gossip systems have made, each of which a naive node makes
//! again and the shipped one does not; and scripts by the thousand.

use rumormill::judge::{Finding, Verdict};
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
        ("a-chain-of-joiners-dies", tutorial(), "agreement"),
        ("back-before-anybody-noticed", tutorial(), "agreement"),
        ("back-with-the-same-identity", tutorial(), "agreement"),
        ("cold-start-from-address-books", tutorial(), "connected"),
        ("crash-and-heal-at-once", tutorial(), "agreement"),
        ("leave-during-a-join", tutorial(), "degree"),
        ("new-numbers-after-a-lost-log", lacking("reused_sequences"), "everyone_delivers"),
        ("one-way-link", tutorial(), "agreement"),
        ("only-holder-crashes-and-returns", lacking("no_log"), "agreement"),
        ("only-holder-loses-its-log", lacking("reused_sequences"), "everyone_delivers"),
        ("strangers-after-a-long-cut", lacking("forgets_addresses"), "connected"),
        ("the-same-words-twice", lacking("content_id"), "everyone_delivers"),
        ("two-joins-at-one-link", tutorial(), "degree"),
        ("two-neighbors-leave", lacking("no_repair"), "connected"),
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
    let source = Source { name: path.display().to_string(), text: text.to_string() };
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

/// The one line behind the README's sentence. More cases: `rumormill mill --cases 100000`.
#[test]
fn two_thousand_random_scripts_break_nothing() {
    let ground = Mill::<Node>::new(NodeConfig::default()).cases(2_000).run();
    let ground = ground.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(ground.failures(), 0);
}
