//! What `check` predicts against what happens: predictions may not rot.

use crate::support::data;
use rumormill::report::Prediction;
use rumormill::scenario::{DataFolders, Outline, Playback, Progress, Source};
use rumormill::world::World;
use rumormill::{Network, Node, NodeConfig};
use std::path::Path;

fn outline(source: &Source, folders: Vec<std::path::PathBuf>) -> Outline<NodeConfig> {
    Outline::parse(source, &DataFolders::new(folders)).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a scenario to its end; fails unless it took about as many events as predicted.
fn compare(outline: Outline<NodeConfig>, tolerance: f64) {
    let predicted = Prediction::of::<Node>(&outline).events.expect("a node tells what it costs") as f64;
    let scenario = outline.build();
    let network = Network::observed(scenario.sim_config::<Node>(), scenario.file.seed, ());
    let mut playback = Playback::new(network, &scenario);
    while playback.advance(u64::MAX) != Progress::Ended {}
    let happened = playback.network().world().events() as f64;
    assert!(
        (predicted / happened - 1.0).abs() <= tolerance,
        "{}: {predicted} events predicted, {happened} happened",
        scenario.file.title
    );
}

#[test]
fn the_shipped_scenarios_take_about_as_many_events_as_predicted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-scenarios");
    for file in [
        "quickstart.json",
        "gnutella08.json",
        "planetlab.json",
        "ten-thousand.json",
        "docs/join.json",
        "docs/random-network.json",
    ] {
        let source = Source::read(&folder.join(file)).unwrap();
        let folders = if source.text.contains("\"file\"") { data() } else { Some(folder.clone()) };
        if let Some(data) = folders {
            compare(outline(&source, vec![data]), 0.25);
        }
    }
}

/// A scenario with these steps, on links of 10 ms.
fn scenario(start: &str, kind: &str, steps: &[&str]) -> Outline<NodeConfig> {
    let steps = steps.join(", ");
    let text = format!(
        r#"{{ "title": "{}", {start}, "links": {{ "kind": {kind} }}, "timeline": [{steps}], "end": "600s" }}"#,
        steps.replace('"', "'")
    );
    outline(&Source { name: "scenario".into(), text }, Vec::new())
}

const GIVEN: &str = r#""topology": { "k_out": { "nodes": 400, "k": 3 } }"#;
const MADE: &str = r#""node": { "overlay": "tutorial" }"#;
const REGULAR: &str = r#""node": { "overlay": "regular" }"#;
const JOIN: &str = r#"{ "at": "0s", "do": { "join": { "count": 400, "every": "100ms" } } }"#;

#[test]
fn every_step_takes_about_as_many_events_as_predicted() {
    let broadcast = r#"{ "at": "100s", "do": { "broadcast": { "count": 20, "every": "1s" } } }"#;
    let lossy = r#"{ "datagram": { "loss": 0.2, "duplication": 0.1 } }"#;
    for (start, kind, steps) in [
        (GIVEN, lossy, vec![broadcast]),
        (
            GIVEN,
            r#""stream""#,
            vec![r#"{ "at": "1s", "do": { "broadcast": { "from": { "share": 0.1 } } } }"#],
        ),
        (GIVEN, r#""stream""#, vec![r#"{ "at": "1s", "do": { "leave": { "who": { "share": 0.5 } } } }"#]),
        (GIVEN, r#""stream""#, vec![r#"{ "at": "1s", "do": { "leave": { "count": 40 } } }"#, broadcast]),
        (
            GIVEN,
            r#""stream""#,
            vec![r#"{ "at": "1s", "do": { "status": { "name": "s", "by": { "share": 0.1 } } } }"#],
        ),
        (GIVEN, r#""stream""#, vec![r#"{ "at": "1s", "do": { "discover": {} } }"#]),
        (
            GIVEN,
            r#""stream""#,
            vec![r#"{ "at": "1s", "do": { "send": { "from": "all", "count": 2, "every": "9s" } } }"#],
        ),
        (GIVEN, r#""stream""#, vec![r#"{ "at": "1s", "do": "shutdown" }"#]),
        (MADE, r#""stream""#, vec![JOIN]),
        (
            MADE,
            r#""stream""#,
            vec![JOIN, r#"{ "at": "0s", "do": { "broadcast": { "count": 40, "every": "1s" } } }"#],
        ),
        (
            MADE,
            r#""stream""#,
            vec![JOIN, r#"{ "at": "100s", "do": { "leave": { "count": 200, "every": "1s" } } }"#],
        ),
        (REGULAR, r#""stream""#, vec![JOIN]),
        (
            REGULAR,
            r#""stream""#,
            vec![JOIN, r#"{ "at": "0s", "do": { "broadcast": { "count": 40, "every": "1s" } } }"#],
        ),
        (
            REGULAR,
            r#""stream""#,
            vec![JOIN, r#"{ "at": "100s", "do": { "leave": { "count": 200, "every": "1s" } } }"#],
        ),
    ] {
        compare(scenario(start, kind, &steps), 0.25);
    }
}

#[test]
fn what_grows_with_the_square_of_the_nodes_is_named_and_nothing_else() {
    let steps = [
        r#"{ "at": "1s", "do": { "broadcast": { "from": "all" } } }"#,
        r#"{ "at": "2s", "do": { "broadcast": { "from": "random", "count": 3 } } }"#,
        r#"{ "at": "3s", "do": { "send": { "from": "all", "to": { "share": 0.5 } } } }"#,
        r#"{ "at": "4s", "do": { "send": { "from": "all", "to": "random" } } }"#,
        r#"{ "at": "5s", "do": { "status": { "name": "s", "by": "all" } } }"#,
        r#"{ "at": "6s", "do": { "discover": {} } }"#,
        r#"{ "at": "7s", "do": "shutdown" }"#,
    ];
    let complete = r#""topology": { "complete": { "nodes": 2000 } }"#;
    let named = Prediction::of::<Node>(&scenario(complete, r#""stream""#, &steps)).quadratic;
    let square = "and with twice the nodes it would be at least four times as many";
    assert_eq!(
        named,
        [
            format!("topology.complete makes 1,999,000 links, {square}; take `k_out` or `random_regular`"),
            format!(
                "timeline.0.do.broadcast.from leads to about 7,992,002,000 events, {square}; let it be `random`, with a `count`"
            ),
            format!(
                "timeline.2.do.send leads to about 12,000,000 events, {square}; let `from` or `to` be `random`"
            ),
            format!(
                "timeline.4.do.status.by leads to about 7,996,000,000 events, {square}; let it be `random`: all count the same"
            ),
        ]
    );
    assert!(Prediction::of::<Node>(&scenario(GIVEN, r#""stream""#, &steps[3..4])).quadratic.is_empty());
}
