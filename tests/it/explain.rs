//! `rumormill explain`: how a broadcast came to a node, or where its copies died.

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value, json};

/// The exit code, standard output without its first and last lines, which name the scenario and the digest, and standard
/// error.
fn explain(scenario: &Value, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("line.json"), scenario.to_string()).unwrap();
    let mut command = cargo_bin_cmd!("rumormill");
    command.current_dir(folder.path()).env_remove("RUMORMILL_DATA").args(["explain", "line.json"]);
    let output = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let lines: Vec<String> = text(output.stdout).lines().map(str::to_owned).collect();
    let shown = lines.len().checked_sub(3).map_or(String::new(), |last| lines[1..last + 1].join("\n"));
    (output.status.code().unwrap(), shown.trim_end().into(), text(output.stderr))
}

/// Four nodes in a line, of which the first broadcasts at 1 s.
fn line(faults: &[Value]) -> Value {
    let mut timeline = vec![json!({"at": "1s", "do": {"broadcast": {"from": 0}}})];
    timeline.extend_from_slice(faults);
    json!({"topology": {"line": {"nodes": 4}}, "timeline": timeline, "end": "20s"})
}

#[track_caller]
fn assert_told(scenario: &Value, node: &str, code: i32, expected: &str) {
    let (actual, shown, error) = explain(scenario, &[node, "0"]);
    assert_eq!(error, "");
    // The id of the broadcast is of no interest here.
    let shown: Vec<&str> = shown.lines().skip(1).map(str::trim_end).collect();
    assert_eq!(shown.join("\n").trim(), expected.trim());
    assert_eq!(actual, code);
}

#[test]
fn a_delivery_has_its_way() {
    assert_told(
        &line(&[]),
        "2",
        0,
        "
delivered    by node 2 at 1.02s, 20.0 ms after its publication

  how it came
    node 0 at 1s → node 1 at 1.01s  (10.0 ms)
    node 1 at 1.01s → node 2 at 1.02s  (10.0 ms)

  the earliest possible way: there at 1.02s, 20.0 ms after its publication (stretch 1.0000)
    node 0 at 1s → node 1 at 1.01s  (10.0 ms)
    node 1 at 1.01s → node 2 at 1.02s  (10.0 ms)",
    );
}

#[test]
fn a_copy_that_waited_for_a_cut_to_heal_is_told_as_it_was() {
    let cut =
        json!({"at": "500ms", "do": {"partition": {"into": {"groups": [[0, 1], [2, 3]]}, "for": "1s"}}});
    assert_told(
        &line(&[cut]),
        "2",
        0,
        "
delivered    by node 2 at 1.51s, 510 ms after its publication

  how it came
    node 0 at 1s → node 1 at 1.01s  (10.0 ms)
    node 1 at 1.01s → node 2 at 1.51s  (500 ms)

  the earliest possible way: there at 1.51s, 510 ms after its publication (stretch 1.0000)
    node 0 at 1s → node 1 at 1.01s  (10.0 ms)
    node 1 at 1.5s → node 2 at 1.51s  (10.0 ms)",
    );
}

#[test]
fn a_copy_that_a_cut_stopped_names_it() {
    let cut =
        json!({"at": "500ms", "do": {"partition": {"into": {"groups": [[0, 1], [2, 3]]}, "for": "9s"}}});
    assert_told(
        &line(&[cut]),
        "2",
        3,
        "
undelivered  node 2 did not deliver it until 20s, the end

  the copies that headed there
    from node 1, sent at 1.01s: cut by step 1 (partition), and lost at 3.5s

  impossible   of those who could have had it, 2 nodes at most, nobody was linked to node 2 in time",
    );
}

#[test]
fn a_receiver_that_was_down_is_told() {
    let crash = json!({"at": "1015ms", "do": {"crash": {"who": 2, "detection": "silence", "log": "lost"}}});
    assert_told(
        &line(&[crash]),
        "2",
        3,
        "
undelivered  node 2 did not deliver it until 20s, the end

  the copies that headed there
    from node 1, sent at 1.01s: came at 1.02s, when the receiver was down

  impossible   of those who could have had it, 2 nodes at most, nobody was linked to node 2 in time",
    );
}

#[test]
fn what_nobody_sent_names_the_neighbors() {
    let crash = json!({"at": "500ms", "do": {"crash": {"who": 1, "for": "4s"}}});
    assert_told(
        &line(&[crash]),
        "3",
        1,
        "
undelivered  node 3 did not deliver it until 20s, the end

  no copy headed there; those who had a link to it from the publication on
    node 2: never had it

  the earliest possible way: there at 4.53s, 3.53 s after its publication
    node 0 at 4.5s → node 1 at 4.51s  (10.0 ms)
    node 1 at 4.51s → node 2 at 4.52s  (10.0 ms)
    node 2 at 4.52s → node 3 at 4.53s  (10.0 ms)",
    );
}

#[test]
fn a_lost_datagram_is_told() {
    let mut scenario = line(&[]);
    scenario["links"] = json!({"kind": {"datagram": {"loss": 1.0}}});
    let (code, shown, _) = explain(&scenario, &["1", "0"]);
    assert!(shown.contains("from node 0, sent at 1s: lost by the link"), "{shown}");
    assert_eq!(code, 1);
    let mut scenario = line(&[json!({"at": "0s", "do": {"loss": {"share": 1.0}}})]);
    scenario["links"] = json!({"kind": {"datagram": {}}});
    let (code, shown, _) = explain(&scenario, &["1", "0"]);
    assert!(shown.contains("from node 0, sent at 1s: lost by step 1 (loss)"), "{shown}");
    assert_eq!(code, 1);
}

#[test]
fn a_run_that_ends_too_early_leaves_it_open() {
    let mut scenario = line(&[]);
    scenario["end"] = json!("1015ms");
    let (code, shown, _) = explain(&scenario, &["2", "0"]);
    assert!(shown.contains("from node 1, sent at 1.01s: still on its way"), "{shown}");
    assert_eq!(code, 2);
    assert_eq!(explain(&scenario, &["3", "0"]).0, 2);
}

#[test]
fn a_broadcast_has_a_number_or_an_id_and_a_node_a_number_or_a_name() {
    let mut scenario = line(&[json!({"at": "2s", "do": {"broadcast": {"from": 3}}})]);
    scenario["names"] = json!(["Ada", "Ben", "Cleo", "Dan"]);
    let (code, shown, _) = explain(&scenario, &["Ada", "1"]);
    assert_eq!(code, 0);
    assert!(shown.contains("delivered    by node 0 (Ada) at 2.03s"), "{shown}");
    let id = shown.split_whitespace().nth(2).unwrap().trim_end_matches(',').to_owned();
    assert_eq!(explain(&scenario, &["0", &id]), (0, shown, String::new()));
    for (arguments, complaint) in [
        (["Eve", "1"], "there is no node Eve"),
        (["4", "1"], "there is no node 4: the last is 3"),
        (["0", "2"], "there is no broadcast 2: they go from 0 to 1"),
        (["0", "0123456789ab"], "there is no broadcast whose id begins with 0123456789ab"),
        (["0", "first"], "a broadcast is a number from 0"),
    ] {
        let (code, shown, error) = explain(&scenario, &arguments);
        assert_eq!((code, shown.as_str()), (64, ""), "{arguments:?}");
        assert!(error.contains(complaint), "{arguments:?}: {error}");
    }
}

#[test]
fn the_run_that_is_explained_is_the_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("line.json"), line(&[]).to_string()).unwrap();
    let told = |arguments: &[&str]| {
        let mut command = cargo_bin_cmd!("rumormill");
        let output = command.current_dir(folder.path()).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("digest")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(told(&["explain", "line.json", "3", "0"]), told(&["run", "line.json"]));
}
