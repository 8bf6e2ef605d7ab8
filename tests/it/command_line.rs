//! The program as its users meet it: verdicts, exit codes, files.

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use rumormill::scenario::{DataFolders, Playback, Progress, Scenario, Source};
use rumormill::{Network, Node, NodeConfig};
use serde_json::Value;
use std::path::Path;

/// Five nodes in a ring, one broadcast.
const SCENARIO: &str = r#"{
  "topology": { "ring": { "nodes": 5 } },
  "timeline": [ { "at": "0s", "do": { "broadcast": { "from": 0 } } } ],
  "end": "1s"
}"#;

/// A folder with `small.json`, and what the program answers there.
struct Bench(tempfile::TempDir);

struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small.json"), SCENARIO).unwrap();
        Bench(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let mut command: Command = cargo_bin_cmd!("rumormill");
        let output =
            command.current_dir(self.path()).env_remove("RUMORMILL_DATA").args(arguments).output().unwrap();
        Answer {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn every_verdict_has_its_exit_code() {
    let bench = Bench::new();
    for (code, verdict, settings) in [
        (0, "pass", vec![]),
        (1, "fail", vec!["expect=[{\"messages\": {\"max\": 3}}]"]),
        (1, "fail", vec!["expect=[{\"latency\": {\"max\": \"19ms\"}}]"]),
        (1, "fail", vec!["expect=[{\"redundancy\": {\"max\": 0.2}}]"]),
        (
            1,
            "fail",
            vec!["expect=[\"connected\"]", "topology={\"erdos_renyi\": {\"nodes\": 5, \"probability\": 0}}"],
        ),
        (1, "fail", vec!["links.kind={\"datagram\": {\"loss\": 1}}"]),
        (2, "unknown", vec!["end=15ms"]),
        (2, "unknown", vec!["end=20ms"]),
        (3, "vacuous", vec!["timeline=[]"]),
        (3, "vacuous", vec!["expect=[]"]),
        (3, "vacuous", vec!["topology={\"ring\": {\"nodes\": 1}}"]),
        (3, "vacuous", vec!["topology={\"erdos_renyi\": {\"nodes\": 5, \"probability\": 0}}"]),
        // Of several, the worst: fail before vacuous before unknown.
        (1, "fail", vec!["expect=[{\"messages\": {\"max\": 1}}]", "end=15ms"]),
        (3, "vacuous", vec!["expect=[]", "end=15ms"]),
    ] {
        let mut arguments = vec!["run", "small.json", "--json"];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        let answer = bench.run(&arguments);
        assert_eq!(
            (answer.code, json(&answer.stdout)["verdict"].as_str()),
            (code, Some(verdict)),
            "{settings:?}"
        );
    }
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    let bench = Bench::new();
    for wrong in [
        vec![],
        vec!["rnu"],
        vec!["run"],
        vec!["run", "small.json", "--sede", "1"],
        vec!["run", "small.json", "--seed", "one"],
        vec!["run", "small.json", "--seed", "-1"],
        vec!["run", "small.json", "--set", "end"],
        vec!["run", "small.json", "--set", "=1"],
        vec!["run", "small.json", "--json", "--quiet"],
        #[cfg(feature = "draw")]
        vec!["draw", "small.json", "--out", "picture.jpg"],
        vec!["run", "small.json", "another.json"],
    ] {
        let answer = bench.run(&wrong);
        assert_eq!((answer.code, answer.stdout.as_str()), (64, ""), "{wrong:?}");
        assert!(
            answer.stderr.contains("Usage") || answer.stderr.contains("--help"),
            "{wrong:?}: {}",
            answer.stderr
        );
    }
    for right in [vec!["--help"], vec!["--version"], vec!["run", "--help"]] {
        let answer = bench.run(&right);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{right:?}");
    }
}

#[test]
fn a_setting_that_has_no_place_or_does_not_fit_is_65() {
    let bench = Bench::new();
    for (setting, words) in [
        ("timeline.7.at=1s", "there is no entry `7`"),
        ("end.x=1", "`x` is inside something that has no parts"),
        ("sede=1", "unknown key `sede`"),
        ("end=soon", "`soon` is not a duration"),
        ("timeline.0.do.broadcast.count=0", "from 1 to"),
    ] {
        let answer = bench.run(&["run", "small.json", "--set", setting]);
        assert_eq!((answer.code, answer.stdout.as_str()), (65, ""), "{setting}");
        assert!(answer.stderr.contains(words), "{setting}: {}", answer.stderr);
    }
}

#[test]
fn results_are_whole_and_repeat_byte_by_byte() {
    let bench = Bench::new();
    let answer = bench.run(&[
        "run",
        "small.json",
        "--seed",
        "9",
        "--trace",
        "--set",
        "timeline.0.do.broadcast.count=2",
    ]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let last = answer.stdout.lines().last().unwrap();
    assert_eq!(
        last,
        "repeat: rumormill run small.json --set timeline.0.do.broadcast.count=2 --seed 9 --trace"
    );

    let folder = "output/small/seed-9";
    let mut files: Vec<String> = std::fs::read_dir(bench.path().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut expected: Vec<String> =
        ["scenario.json", "summary.json", "topology.dot", "topology.graphml", "trace.jsonl"]
            .map(String::from)
            .into();
    if cfg!(feature = "draw") {
        let pictures = ["topology", "coverage", "latency", "degrees"];
        expected.extend(pictures.iter().flat_map(|name| [format!("{name}.png"), format!("{name}.svg")]));
    }
    expected.sort_unstable();
    assert_eq!(files, expected);

    let contents = || -> Vec<Vec<u8>> {
        files.iter().map(|file| std::fs::read(bench.path().join(folder).join(file)).unwrap()).collect()
    };
    let first = contents();
    let repeat: Vec<&str> = last.split(' ').skip(2).collect();
    assert_eq!(bench.run(&repeat).code, 0);
    for ((file, before), after) in files.iter().zip(first).zip(contents()) {
        assert!(before == after, "the repeating line does not repeat {file}");
    }

    // The resolved scenario is a scenario, and means the same.
    std::fs::copy(bench.path().join(folder).join("scenario.json"), bench.path().join("small.json")).unwrap();
    let again = bench.run(&["run", "small.json", "--json", "--out", "elsewhere"]);
    let summary = json(&bench.read("output/small/seed-9/summary.json"));
    assert_eq!(json(&again.stdout)["digest"], summary["digest"]);
    assert_eq!(json(&bench.read("elsewhere/small/seed-9/summary.json"))["digest"], summary["digest"]);
}

#[test]
fn observers_pictures_and_traces_change_no_digest() {
    let bench = Bench::new();
    // A run with nobody watching and nothing written.
    let source = Source { name: "small".into(), text: SCENARIO.into() };
    let scenario: Scenario<NodeConfig> = Scenario::parse(&source, &DataFolders::default()).unwrap();
    let mut playback = Playback::new(Network::observed(scenario.sim_config::<Node>(), 1, ()), &scenario);
    while playback.advance(u64::MAX) != Progress::Ended {}
    let unwatched = playback.network().digest().to_string();
    let digest = |arguments: &[&str]| {
        let mut all = vec!["run", "small.json", "--json"];
        all.extend(arguments);
        json(&bench.run(&all).stdout)["digest"].clone()
    };
    let plain = digest(&[]);
    assert_eq!(plain, unwatched);
    assert_eq!(digest(&["--trace"]), plain);
    assert_eq!(digest(&["--check-determinism"]), plain);
    assert_ne!(digest(&["--seed", "2"]), plain);
}

#[test]
fn a_trace_tells_everything_in_order() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["run", "small.json", "--trace", "--quiet"]).code, 0);
    let trace: Vec<Value> = bench.read("output/small/seed-1/trace.jsonl").lines().map(json).collect();
    let count = |event: &str| trace.iter().filter(|line| line["event"] == event).count();
    assert_eq!((count("started"), count("link_up"), count("published")), (5, 10, 1));
    assert_eq!((count("delivered"), count("sent"), count("received")), (5, 6, 6));
    let times: Vec<u64> = trace.iter().map(|line| line["time_ns"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());
}

#[test]
fn quiet_is_quiet_and_check_says_what_will_be() {
    let bench = Bench::new();
    let quiet = bench.run(&["run", "small.json", "--quiet"]);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
    let check = bench.run(&["check", "small.json", "--seed", "4"]);
    assert_eq!((check.code, json(&check.stdout)["seed"].as_u64()), (0, Some(4)));
    assert!(
        check.stderr.contains("5 nodes, 5 links, 1 broadcasts; a run takes about 6 events"),
        "{}",
        check.stderr
    );
    std::fs::write(bench.path().join("checked.json"), &check.stdout).unwrap();
    assert_eq!(bench.run(&["run", "checked.json"]).code, 0, "what check prints is a scenario");
}

/// Refused before anything of that size is made: the test itself would not fit.
#[test]
fn what_would_not_fit_into_memory_is_refused_by_name_and_size() {
    let bench = Bench::new();
    let nodes = "topology={\"ring\": {\"nodes\": 10000000}}";
    let broadcasts = "timeline.0.do.broadcast.count=1000000";
    let answer = bench.run(&["run", "small.json", "--set", nodes, "--set", broadcasts]);
    assert_eq!((answer.code, answer.stdout.as_str()), (65, ""), "{}", answer.stderr);
    assert!(answer.stderr.contains("TB of memory") && answer.stderr.contains("--force"), "{}", answer.stderr);
    assert!(!bench.path().join("output").exists());
    let check = bench.run(&["check", "small.json", "--set", nodes, "--set", broadcasts]);
    assert!(check.code == 0 && check.stderr.contains("TB of memory"), "{}", check.stderr);

    let forced = bench.run(&["run", "small.json", "--force"]);
    let last = forced.stdout.lines().last();
    assert_eq!((forced.code, last), (0, Some("repeat: rumormill run small.json --seed 1 --force")));
}

#[test]
fn what_no_program_opens_is_left_out_and_that_is_said() {
    let bench = Bench::new();
    let large = ["--set", "topology={\"star\": {\"nodes\": 100001}}"];
    let status = r#"} }, { "at": "1s", "do": { "status": { "name": "after" } } } ]"#;
    std::fs::write(bench.path().join("small.json"), SCENARIO.replace("} } ]", status)).unwrap();
    let answer = bench.run(&["run", "small.json", large[0], large[1]]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let line = "left out     topology.dot, topology.graphml: more than 100,000 nodes or 1,000,000 links";
    assert!(answer.stdout.contains(line), "{}", answer.stdout);
    let folder = "output/small/seed-1";
    assert!(!bench.path().join(folder).join("topology.dot").exists());
    let status = json(&bench.read(&format!("{folder}/after.json")));
    assert_eq!(status["network"]["nodes"], 100_001);
    assert!(status["nodes"].is_null() && status["left_out"].as_str().unwrap().starts_with("the nodes"));
}

#[test]
fn checking_many_files_tells_a_line_for_each_and_65_if_any_is_wrong() {
    let bench = Bench::new();
    let write = |file: &str, content: &str| {
        let path = bench.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("all/b.json", SCENARIO);
    write("all/a.json", &SCENARIO.replace("\"nodes\": 5", "\"nodes\": 6"));
    write("all/deeper/c.json", SCENARIO);
    write("all/scenario.schema.json", "no scenario");
    write("all/notes.md", "no scenario");
    let five = "5 nodes, 5 links, 1 broadcasts";
    let answer = bench.run(&["check", "all", "small.json"]);
    let expected = format!(
        "all/a.json: ok: 6 nodes, 6 links, 1 broadcasts\nall/b.json: ok: {five}\nall/deeper/c.json: ok: {five}\nsmall.json: ok: {five}\n"
    );
    assert_eq!((answer.code, answer.stdout, answer.stderr), (0, expected, String::new()));

    write("all/b.json", &SCENARIO.replace("ring", "rung"));
    let answer = bench.run(&["check", "all", "absent.json", "--set", "end=2s"]);
    assert_eq!((answer.code, answer.stdout.lines().count()), (65, 2), "{}", answer.stdout);
    for words in
        ["all/b.json with end=2s:2:17", "did you mean `ring`?", "cannot read the scenario absent.json"]
    {
        assert!(answer.stderr.contains(words), "{}", answer.stderr);
    }

    std::fs::create_dir(bench.path().join("empty")).unwrap();
    let empty = bench.run(&["check", "empty"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (65, ""));
    assert!(empty.stderr.contains("there is no .json file in this folder"), "{}", empty.stderr);
}

#[test]
fn the_program_prints_its_schema_its_completions_and_its_manual() {
    let bench = Bench::new();
    assert_eq!(json(&bench.run(&["schema"]).stdout)["additionalProperties"], false);
    assert!(bench.run(&["schema", "--markdown"]).stdout.starts_with("# Scenario files\n"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(bench.run(&["completions", shell]).stdout.contains("check-determinism"), "{shell}");
    }
    std::fs::create_dir(bench.path().join("man")).unwrap();
    assert_eq!(bench.run(&["man", "man"]).code, 0);
    assert!(bench.read("man/rumormill-run.1").contains("determinism"));
    assert_eq!(bench.run(&["man", "nowhere"]).code, 74);
    let help = bench.run(&["--help"]).stdout;
    assert!(help.contains("schema") && !help.contains("completions"), "{help}");
}

#[test]
fn a_network_across_the_regions_of_the_world_keeps_its_promises() {
    let bench = Bench::new();
    let run = |jitter: &str| {
        let answer = bench.run(&[
            "run",
            "small.json",
            "--json",
            "--set",
            "links.latency=regions",
            "--set",
            jitter,
            "--set",
            "end=5s",
        ]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        json(&answer.stdout)["digest"].clone()
    };
    assert_eq!(run("links.jitter=none"), run("links.jitter=none"));
    assert_ne!(run("links.jitter=none"), run("links.jitter={\"share\": 0.2}"));
}

#[test]
fn a_random_seed_is_told_first() {
    let bench = Bench::new();
    let answer = bench.run(&["run", "small.json", "--seed", "random", "--json"]);
    let seed = json(&answer.stdout)["seed"].as_u64().unwrap();
    assert_eq!(answer.stderr.lines().next(), Some(format!("rumormill: seed: {seed}").as_str()));
}

#[test]
fn output_that_cannot_be_written_is_74_and_loses_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["run", "small.json"]).code, 0);
    let before = bench.read("output/small/seed-1/summary.json");
    // A file stands where a folder would have to be.
    std::fs::write(bench.path().join("taken"), "mine").unwrap();
    let answer = bench.run(&["run", "small.json", "--out", "taken"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (74, ""));
    assert!(answer.stderr.contains("cannot write taken/small/seed-1"), "{}", answer.stderr);
    assert_eq!(bench.read("taken"), "mine");
    std::fs::create_dir_all(bench.path().join("place/small")).unwrap();
    std::fs::write(bench.path().join("place/small/seed-1"), "mine").unwrap();
    for _ in 0..2 {
        assert_eq!(bench.run(&["run", "small.json", "--out", "place"]).code, 74);
        assert_eq!(bench.read("place/small/seed-1"), "mine");
    }
    assert_eq!(bench.run(&["run", "small.json", "--set", "end=0"]).code, 65);
    assert_eq!(bench.read("output/small/seed-1/summary.json"), before);
    let left: Vec<_> = std::fs::read_dir(bench.path().join("output/small")).unwrap().collect();
    assert_eq!(left.len(), 1, "no half-written folders");
}

#[test]
fn data_is_looked_for_beside_the_scenario_then_where_one_says() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path().join("data")).unwrap();
    std::fs::write(bench.path().join("data/two.edges"), "0 1\n").unwrap();
    let topology =
        "topology={\"edge_list\": {\"file\": \"two.edges\", \"source\": \"two nodes from nowhere\"}}";
    let missing = bench.run(&["run", "small.json", "--set", topology]);
    assert_eq!(missing.code, 65);
    assert!(missing.stderr.contains("two nodes from nowhere"), "{}", missing.stderr);
    assert_eq!(bench.run(&["run", "small.json", "--set", topology, "--data", "data"]).code, 0);
    let mut command: Command = cargo_bin_cmd!("rumormill");
    command.current_dir(bench.path()).env("RUMORMILL_DATA", "data").args([
        "run",
        "small.json",
        "--set",
        topology,
    ]);
    command.assert().code(0);
    std::fs::copy(bench.path().join("data/two.edges"), bench.path().join("two.edges")).unwrap();
    assert_eq!(bench.run(&["run", "small.json", "--set", topology]).code, 0);
}

#[cfg(feature = "draw")]
#[test]
fn the_network_of_a_scenario_can_be_drawn() {
    let bench = Bench::new();
    for (file, start) in [("a.png", "\u{fffd}PNG"), ("b.svg", "<svg"), ("C.PNG", "\u{fffd}PNG")] {
        let answer = bench.run(&["draw", "small.json", "--out", file]);
        assert_eq!((answer.code, answer.stdout.trim()), (0, file));
        let bytes = std::fs::read(bench.path().join(file)).unwrap();
        assert!(String::from_utf8_lossy(&bytes).starts_with(start), "{file}");
    }
    assert_eq!(bench.run(&["draw", "small.json", "--out", "nowhere/a.png"]).code, 74);
}

#[test]
fn results_of_many_runs_at_once_are_whole() {
    let bench = Bench::new();
    let mut runs: Vec<_> = (0..6)
        .map(|_| {
            let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("rumormill"));
            command.current_dir(bench.path()).args(["run", "small.json", "--quiet"]).spawn().unwrap()
        })
        .collect();
    assert!(runs.iter_mut().all(|run| run.wait().unwrap().success()));
    assert_eq!(json(&bench.read("output/small/seed-1/summary.json"))["verdict"], "pass");
    assert_eq!(
        std::fs::read_dir(bench.path().join("output/small")).unwrap().count(),
        1,
        "nothing is left over"
    );
}

#[test]
fn snapshots_are_files_of_their_moment() {
    let bench = Bench::new();
    let timeline = r#"timeline=[{"at": "0s", "do": {"broadcast": {"from": 0}}}, {"at": "10ms", "do": {"snapshot": {"name": "early"}}}]"#;
    assert_eq!(bench.run(&["run", "small.json", "--set", timeline]).code, 0);
    let reached = |file: &str| bench.read(&format!("output/small/seed-1/{file}")).matches("hops=").count();
    assert_eq!((reached("early.dot"), reached("topology.dot")), (3, 5));
}

/// Ctrl-C ends a long run and keeps what was reached.
#[cfg(unix)]
#[test]
fn an_interrupted_run_writes_what_it_reached() {
    use std::process::{Command, Stdio};
    let bench = Bench::new();
    // Far more than can be done before the signal comes, but ready to be interrupted at once.
    let settings = [
        "--set",
        "topology={\"complete\": {\"nodes\": 60}}",
        "--set",
        "timeline=[{\"at\": \"0s\", \"do\": {\"broadcast\": {\"count\": 1000000, \"every\": \"1ms\"}}}]",
        "--set",
        "end=1000s",
    ];
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("rumormill"))
        .current_dir(bench.path())
        .args(["run", "small.json", "--json", "--trace"])
        .args(settings)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The trace file tells that the run has begun.
    let folder = bench.path().join("output/small");
    let begun = || {
        std::fs::read_dir(&folder).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.unwrap().path().join("trace.jsonl").metadata().is_ok_and(|file| file.len() > 0)
            })
        })
    };
    while !begun() {
        std::thread::yield_now();
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Beside the place of whole results, which it never replaces.
    let summary = json(&bench.read("output/small/seed-1.interrupted/summary.json"));
    assert_eq!(summary["verdict"], "unknown");
    assert!(summary["broadcasts"].as_u64().unwrap() > 0);
    assert!(summary["ended_ns"].as_u64().unwrap() < 1_000_000_000_000);
}

/// Everything that a network can be asked for on a timeline, in one scenario.
#[test]
fn the_promises_of_the_original_hold_in_a_scenario_file() {
    let bench = Bench::new();
    let scenario = r#"{
      "names": ["genesis-node", "B", "C"],
      "node": { "overlay": "tutorial" },
      "timeline": [
        { "at": "0s", "do": { "join": { "count": 20, "every": "100ms" } } },
        { "at": "5s", "do": { "join": { "count": 2, "contact": "random" } } },
        { "at": "6s", "do": { "join": { "contact": "B" } } },
        { "at": "20s", "do": { "discover": { "who": "all" } } },
        { "at": "21s", "do": { "send": { "from": "B", "to": "C", "message": "for C alone" } } },
        { "at": "22s", "do": { "broadcast": { "from": "C", "count": 2 } } },
        { "at": "25s", "do": { "leave": { "who": 0 } } },
        { "at": "30s", "do": { "leave": { "who": { "share": 0.2 } } } },
        { "at": "100s", "do": { "broadcast": { "from": "random" } } },
        { "at": "110s", "do": { "status": { "name": "late", "by": "random" } } },
        { "at": "111s", "do": { "snapshot": { "name": "picture" } } },
        { "at": "120s", "do": "shutdown" }
      ],
      "end": "200s",
      "expect": [
        "everyone_delivers", "connected", "stopped",
        { "peers": { "min": 3 } },
        { "size": { "min": 18, "max": 18 } },
        { "received": { "node": "C", "from": "B", "message": "for C alone" } },
        { "received": { "node": 3, "count": 0 } }
      ]
    }"#;
    std::fs::write(bench.path().join("all.json"), scenario).unwrap();
    let answer = bench.run(&["run", "all.json", "--json"]);
    assert_eq!(answer.code, 0, "{} {}", answer.stdout, answer.stderr);
    let summary = json(&answer.stdout);
    assert_eq!((summary["nodes"].as_u64(), summary["ever"].as_u64()), (Some(18), Some(23)));
    assert_eq!(summary["joins"]["count"].as_u64(), Some(23));
    assert_eq!(summary["censuses"][0]["nodes"].as_u64(), Some(18));
    let status = json(&bench.read("output/all/seed-1/late.json"));
    assert_eq!(status["network"]["nodes"].as_u64(), Some(18));
    assert_eq!(status["nodes"].as_array().unwrap().len(), 18);
    assert_eq!(bench.read("output/all/seed-1/picture.dot").matches("label=").count(), 18);

    for (code, change) in [
        (1, "expect=[{\"size\": {\"max\": 17}}]"),
        (1, "expect=[{\"peers\": {\"max\": 2}}]"),
        (1, "expect=[{\"received\": {\"node\": 3}}]"),
        // Nobody is called to do it: the step did not happen.
        (3, "timeline.5.do.broadcast.from=0"),
        (3, "timeline.9.do.status.by=0"),
        (3, "timeline.11.do={\"snapshot\": {\"name\": \"no-shutdown\"}}"),
        (65, "node.overlay=static"),
        (65, "timeline.4.do.send.to=D"),
    ] {
        let settings = if change.starts_with("timeline.5") {
            ["timeline.5.at=26s", change]
        } else {
            ["end=200s", change]
        };
        let answer = bench.run(&["run", "all.json", "--quiet", "--set", settings[0], "--set", settings[1]]);
        assert_eq!(answer.code, code, "{change}: {}", answer.stderr);
    }
}

/// The pictures of the README come from scenarios, byte for byte.
#[cfg(feature = "draw")]
#[test]
fn the_pictures_of_the_readme_are_what_their_scenarios_draw() {
    let bench = Bench::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut shown: Vec<&str> =
        readme.split("](output/").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    shown.sort_unstable();
    shown.dedup();
    assert!(shown.len() >= 4, "{shown:?}");
    for (scenario, name) in
        [("quickstart", "quickstart"), ("docs/random-network", "random-network"), ("docs/join", "join")]
    {
        let file = root.join(format!("sim-scenarios/{scenario}.json"));
        let answer = bench.run(&["run", file.to_str().unwrap(), "--quiet"]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        for picture in shown.iter().filter(|picture| picture.starts_with(&format!("{name}/"))) {
            let (drawn, kept) =
                (bench.path().join("output").join(picture), root.join("output").join(picture));
            let same = std::fs::read(drawn).unwrap() == std::fs::read(&kept).unwrap_or_default();
            assert!(same, "{} is not what {scenario}.json draws; run it again", kept.display());
        }
    }
}

#[test]
fn a_weakened_run_is_a_run_of_its_own() {
    let bench = Bench::new();
    let star = ["run", "small.json", "--set", "topology={\"star\": {\"nodes\": 5}}", "--json"];
    let weak = bench.run(&[&star[..], &["--weaken", "one_neighbor"]].concat());
    let summary = json(&weak.stdout);
    assert_eq!((weak.code, &summary["verdict"]), (1, &Value::from("fail")));
    assert!(summary["repeat"].as_str().unwrap().ends_with(" --weaken one_neighbor"), "{summary}");
    assert_eq!(summary["results"], "output/small/seed-1-one_neighbor");
    let resolved = json(&bench.read("output/small/seed-1-one_neighbor/scenario.json"));
    assert_eq!(resolved["node"]["weakness"], "one_neighbor");
    let answer = bench.run(&["run", "small.json", "--weaken", "one_neighbour"]);
    assert_eq!(answer.code, 64);
    assert!(answer.stderr.contains("did you mean `one_neighbor`? known: no_dup"), "{}", answer.stderr);
}

#[test]
fn a_scenario_has_a_score() {
    let bench = Bench::new();
    let star = ["run", "small.json", "--set", "topology={\"star\": {\"nodes\": 5}}", "--weaken", "all"];
    let answer = bench.run(&star);
    assert_eq!(answer.code, 0, "the run without weaknesses decides: {}", answer.stderr);
    let sentence = "catches 1 of 9 weaknesses, not no_duplicate_memory, ";
    assert!(answer.stdout.contains(sentence), "{}", answer.stdout);
    assert!(answer.stdout.trim_end().ends_with("--seed 1 --weaken all"), "{}", answer.stdout);
    assert!(!bench.path().join("output").exists());
    let score = json(&bench.run(&[&star[..], &["--json"]].concat()).stdout);
    assert_eq!((&score["caught"], &score["verdict"]), (&Value::from(1), &Value::from("pass")));
    let one_neighbor = &score["weaknesses"][5];
    assert_eq!((&one_neighbor["weakness"], &one_neighbor["caught"]), (&"one_neighbor".into(), &true.into()));
    assert_eq!(one_neighbor["broken"]["expectation"], "everyone_delivers");
    assert_eq!(bench.run(&[&star[..], &["--trace"]].concat()).code, 64);
}

#[test]
fn a_mill_tells_the_smallest_script_and_the_command_that_repeats_it() {
    let bench = Bench::new();
    let tutorial = r#"{"overlay": "tutorial"}"#;
    let failed = ["1", "3"].map(|threads| bench.run(&["mill", "--node", tutorial, "--threads", threads]));
    assert_eq!(failed[0].code, 1, "{}", failed[0].stderr);
    assert_eq!(failed[0].stdout, failed[1].stdout);
    assert!(failed[0].stdout.contains("  fail     agreement: "), "{}", failed[0].stdout);
    assert!(failed[0].stdout.contains(&bench.read("mill.json")), "{}", failed[0].stdout);
    let repeat = failed[0].stdout.lines().last().unwrap().strip_prefix("repeat: rumormill ").unwrap();
    let repeated = bench.run(&repeat.split(' ').collect::<Vec<_>>());
    assert_eq!(repeated.code, 1, "{}", repeated.stdout);

    let harmless = ["mill", "--only", "send,slow", "--cases", "100"];
    let passed = bench.run(&harmless);
    assert_eq!(passed.code, 0, "{}", passed.stdout);
    assert!(passed.stdout.contains(" passed, 0 failed"), "{}", passed.stdout);
    assert_eq!(bench.run(&["mill", "--only", "loss", "--cases", "1"]).code, 3);

    for (code, arguments, told) in [
        (64, ["--node", "{"], "--node says is no JSON"),
        (65, ["--node", r#"{"overlay": "tutorail"}"#], "did you mean `tutorial`"),
        (65, ["--expect", "agreemint"], "did you mean `agreement`"),
        (64, ["--without", "crush"], "`crush` is none of"),
        (64, ["--nodes", "1"], "1 is not in 2..=255"),
    ] {
        let answer = bench.run(&["mill", arguments[0], arguments[1]]);
        assert_eq!(answer.code, code, "{arguments:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(told), "{arguments:?}: {}", answer.stderr);
    }
}
