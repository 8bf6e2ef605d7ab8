//! Sweeps as their users meet them: the same bytes on any number of threads and after any interruption.

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Five nodes in a ring that loses a tenth of its messages: of ten seeds about one fails.
const SCENARIO: &str = r#"{
  "topology": { "ring": { "nodes": 5 } },
  "links": { "kind": { "datagram": { "loss": 0.1 } } },
  "timeline": [ { "at": "0s", "do": { "broadcast": { "from": 0 } } } ],
  "end": "1s"
}"#;

struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ring.json"), SCENARIO).unwrap();
    folder
}

fn run(folder: &Path, line: &str) -> Answer {
    let mut command = cargo_bin_cmd!("rumormill");
    let arguments = line.split(' ').filter(|argument| !argument.is_empty());
    let output = command.current_dir(folder).env_remove("RUMORMILL_DATA").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Every file of the results with its content.
fn results(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder.join("output/ring/sweep")).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn content(folder: &Path, file: &str) -> String {
    results(folder).into_iter().find(|(name, _)| name == file).expect(file).1
}

const GRID: &str = "sweep ring.json --seeds 0..40,100 --set links.kind.datagram.loss=0,0.1 --set end=1s,2s";

#[test]
fn the_number_of_threads_changes_no_byte() {
    let folder = folder();
    let one = run(folder.path(), &format!("{GRID} --threads 1"));
    assert_eq!((one.code, one.stderr.as_str()), (1, ""), "{}", one.stdout);
    let files = results(folder.path());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["metrics.csv", "runs.csv", "runs.jsonl", "scenario.json", "summary.json"]);
    let four = run(folder.path(), &format!("{GRID} --threads 4"));
    assert_eq!((four.code, four.stdout), (1, one.stdout));
    assert!(results(folder.path()) == files, "four threads write what one does");
    assert!(!folder.path().join("output/ring/sweep.interrupted").exists());
}

#[test]
fn every_combination_has_every_seed_and_its_numbers() {
    let folder = folder();
    let answer = run(folder.path(), &format!("{GRID} --json"));
    let summary: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((summary["runs"].as_u64(), summary["verdict"].as_str()), (Some(4 * 41), Some("fail")));
    let settings = summary["settings"].as_array().unwrap();
    let set: Vec<String> = settings.iter().map(|setting| setting["setting"].to_string()).collect();
    assert_eq!(set[1], r#"{"links.kind.datagram.loss":0,"end":"2s"}"#);
    assert_eq!(set[2], r#"{"links.kind.datagram.loss":0.1,"end":"1s"}"#);
    let pass = |setting: usize| settings[setting]["verdicts"]["pass"].as_u64().unwrap();
    assert!(pass(0) == 41 && pass(2) < 41, "{set:?}");
    let lines: Vec<Value> = content(folder.path(), "runs.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seeds: Vec<u64> = lines[..41].iter().map(|line| line["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, (0..40).chain([100]).collect::<Vec<_>>());
    assert_eq!(content(folder.path(), "runs.csv").lines().count(), 1 + 4 * 41);
    // A topology that is drawn follows the seed.
    let drawn = r#"topology={"erdos_renyi":{"nodes":30,"probability":0.3}}"#;
    let links = |seed| {
        run(folder.path(), &format!("sweep ring.json --seeds {seed} --quiet --set {drawn}"));
        serde_json::from_str::<Value>(&content(folder.path(), "runs.jsonl")).unwrap()["metrics"]["links"]
            .clone()
    };
    assert_ne!(links(1), links(2));
}

#[test]
fn a_failing_seed_fails_again_with_the_line_that_repeats_it() {
    let folder = folder();
    let answer = run(folder.path(), "sweep ring.json --seeds 0..60 --set end=2s");
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.lines().last().unwrap().contains("of 60 seeds failed: "), "{}", answer.stdout);
    let mut repeats = answer.stdout.lines().filter_map(|line| line.trim().strip_prefix("repeat: rumormill "));
    let repeat = repeats.next().expect("a run failed");
    let again = run(folder.path(), &format!("{repeat} --json"));
    let summary: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again.code, summary["verdict"].as_str()), (1, Some("fail")), "{repeat}");
    let runs = content(folder.path(), "runs.jsonl");
    let line = runs.lines().find(|line| line.contains(r#""verdict":"fail","findings""#)).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["digest"], &line["seed"]), (&summary["digest"], &summary["seed"]));
    assert_eq!(line["findings"], summary["findings"]);
}

#[test]
fn fail_fast_ends_with_the_first_failing_run_in_order() {
    let folder = folder();
    let all = run(folder.path(), "sweep ring.json --seeds 0..60 --quiet");
    assert_eq!((all.code, all.stdout.as_str(), all.stderr.as_str()), (1, "", ""));
    let runs = content(folder.path(), "runs.jsonl");
    let first = runs.lines().position(|line| line.contains(r#""verdict":"fail","findings""#)).unwrap();
    let expected: String = runs.split_inclusive('\n').take(first + 1).collect();
    for threads in [1, 4] {
        let line = format!("sweep ring.json --seeds 0..60 --fail-fast --threads {threads}");
        let answer = run(folder.path(), &line);
        assert_eq!(answer.code, 1);
        assert_eq!(content(folder.path(), "runs.jsonl"), expected);
        assert!(answer.stdout.trim_end().ends_with("no probability of failure"), "{}", answer.stdout);
    }
}

#[test]
fn the_worst_verdict_is_the_exit_code() {
    let folder = folder();
    for (code, set) in [
        (0, "links.kind=stream,unordered"),
        (1, "links.kind=stream --set expect=[\"everyone_delivers\"],[{\"messages\":{\"max\":1}}],[]"),
        (2, "links.kind=stream --set end=15ms,1s"),
        (3, "links.kind=stream --set expect=[],[\"everyone_delivers\"] --set end=15ms,1s"),
    ] {
        let answer = run(folder.path(), &format!("sweep ring.json --seeds 0..3 --quiet --set {set}"));
        assert_eq!((answer.code, answer.stderr.as_str()), (code, ""), "{set}");
    }
    let vacuous = run(folder.path(), "sweep ring.json --seeds 0..3 --set expect=[]");
    assert!(
        vacuous.stdout.contains("nothing is known about the probability of failure"),
        "{}",
        vacuous.stdout
    );
}

/// What an interrupted sweep leaves is cut off anywhere: here, by us.
#[test]
fn an_interrupted_sweep_goes_on_to_the_same_bytes() {
    let folder = folder();
    let whole = run(folder.path(), GRID);
    let files = results(folder.path());
    // A long sweep, ended by a signal, leaves its identity; what it has done is then put back in part.
    for keep in [0, 1, 700, 20_000] {
        let interrupted = interrupt(folder.path(), GRID);
        let runs = &content(folder.path(), "runs.jsonl")[..keep];
        fs::write(interrupted.join("runs.jsonl"), runs).unwrap();
        let answer = run(folder.path(), GRID);
        let known = runs.matches('\n').count();
        let said = format!("{known} of 164 runs are in output/ring/sweep.interrupted; going on from there");
        assert_eq!(answer.stderr.contains(&said), known > 0, "{keep}: {}", answer.stderr);
        assert_eq!((answer.code, &answer.stdout), (1, &whole.stdout));
        assert!(results(folder.path()) == files, "{keep}");
        assert!(!interrupted.exists());
    }
    interrupt(folder.path(), GRID);
    let other = run(folder.path(), "sweep ring.json --seeds 0..3");
    assert!(other.stderr.contains("starting anew"), "{}", other.stderr);
    assert_eq!(content(folder.path(), "runs.jsonl").lines().count(), 3);
}

/// Leaves a sweep as an interruption does, right after its start: the folder, with the identity of the sweep.
fn interrupt(folder: &Path, line: &str) -> std::path::PathBuf {
    let interrupted = folder.join("output/ring/sweep.interrupted");
    // A folder where `scenario.json` is to be written: the sweep ends there.
    fs::create_dir_all(&interrupted).unwrap();
    let place = folder.join("output/ring/sweep");
    let aside = folder.join("aside");
    let _ = fs::rename(&place, &aside);
    fs::write(&place, "in the way").unwrap();
    assert_eq!(run(folder, &format!("{line} --quiet")).code, 74);
    fs::remove_file(&place).unwrap();
    let _ = fs::rename(&aside, &place);
    interrupted
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_reached() {
    use std::process::{Command, Stdio};
    let folder = folder();
    let line = "sweep ring.json --seeds 0..1000000 --threads 2 --json";
    let child = Command::new(assert_cmd::cargo::cargo_bin!("rumormill"))
        .current_dir(folder.path())
        .args(line.split(' '))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let interrupted = folder.path().join("output/ring/sweep.interrupted");
    while fs::metadata(interrupted.join("runs.jsonl")).map_or(0, |file| file.len()) == 0 {
        std::thread::yield_now();
    }
    // One at a time: the other one would write into the same journal.
    let second = run(folder.path(), line);
    assert_eq!((second.code, second.stdout.as_str()), (74, ""));
    assert!(second.stderr.contains("another sweep of this scenario is under way"), "{}", second.stderr);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["ending"], "interrupted");
    let runs = fs::read_to_string(interrupted.join("runs.jsonl")).unwrap();
    assert_eq!(runs.lines().count() as u64, summary["runs"].as_u64().unwrap());
    assert!(interrupted.join("metrics.csv").exists() && !folder.path().join("output/ring/sweep").exists());
}

#[test]
fn what_is_wrong_is_told_before_anything_runs() {
    let folder = folder();
    let mut messages = String::new();
    for (code, arguments) in [
        (64, ""),
        (64, "--seeds 5..5"),
        (64, "--seeds 0..=9"),
        (64, "--seeds one"),
        (64, "--seeds 0..10,3"),
        (64, "--seeds 0..18446744073709551615"),
        (64, "--seeds 1 --threads 0"),
        (64, "--seeds 1 --json --quiet"),
        (64, "--seeds 1 --set end"),
        (64, "--seeds 1 --set end=1s,,2s"),
        (64, "--seeds 1 --set end=1s,1s"),
        (64, "--seeds 1 --set expect=[1"),
        (64, "--seeds 1 --set end=1s --set end=2s"),
        (64, "--seeds 1 --set seed=1,2"),
        (65, "--seeds 1 --set end=1s,soon,never"),
        (65, "--seeds 1 --set timeline.3.at=1s"),
        (65, "--seeds 0..9 --set topology.ring.nodes=5,10000000 --set timeline.0.do.broadcast.count=1000000"),
    ] {
        let answer = run(folder.path(), &format!("sweep ring.json {arguments}"));
        assert_eq!((answer.code, answer.stdout.as_str()), (code, ""), "{arguments}: {}", answer.stderr);
        messages.push_str(&format!("# sweep ring.json {arguments}\n{}\n", answer.stderr));
    }
    assert!(!folder.path().join("output").exists());
    let filters = vec![
        (r" +\n", "\n"),
        (r"about [0-9.]+ .B of memory, and this machine has [0-9.]+ .B", "[size] of [memory]"),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(messages) });
}
