//! The schema of scenario files, and the reference made from it: current, and true.

use rumormill::NodeConfig;
use rumormill::scenario::{ScenarioFile, reference, schema};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-scenarios")
}

fn our_schema() -> Value {
    schema::<NodeConfig>().to_value()
}

/// What is wrong with a scenario by the schema.
fn complaints(scenario: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&our_schema()).expect("a schema");
    validator.iter_errors(scenario).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn shipped() -> Vec<(PathBuf, Value)> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_scenario = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".json") && !name.ends_with(".schema.json")
    };
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, serde_json::from_str(&text).unwrap())
    };
    files.filter(is_scenario).map(read).collect()
}

/// Compares a committed file with what it should be; with UPDATE_SCHEMA in the environment, writes it.
fn check_committed(name: &str, current: &str) {
    let path = folder().join(name);
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, current).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == current,
        "sim-scenarios/{name} is out of date; this brings it up to date:\n    UPDATE_SCHEMA=1 cargo test --test it schema"
    );
}

#[test]
fn the_committed_schema_is_current() {
    check_committed("scenario.schema.json", &format!("{:#}\n", our_schema()));
}

#[test]
fn the_committed_reference_is_current() {
    check_committed("REFERENCE.md", &reference(&schema::<NodeConfig>()));
}

#[test]
fn every_shipped_scenario_fits_as_written_and_as_resolved() {
    for (path, scenario) in shipped() {
        let name = path.display();
        assert_eq!(scenario["$schema"], "./scenario.schema.json", "{name}");
        assert_eq!(complaints(&scenario), Vec::<String>::new(), "{name}");
        let file: ScenarioFile<NodeConfig> = serde_json::from_value(scenario).unwrap();
        let resolved = serde_json::to_value(&file).unwrap();
        assert_eq!(complaints(&resolved), Vec::<String>::new(), "{name}, resolved");
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let right = json!({
        "topology": { "ring": { "nodes": 5 } },
        "node": { "broadcast": "flood" },
        "links": { "latency": { "constant": "10ms" }, "jitter": "none" },
        "timeline": [ { "at": "1s", "do": { "broadcast": { "from": 0, "count": 2 } } } ],
        "end": "10s"
    });
    assert_eq!(complaints(&right), Vec::<String>::new());
    for (path, value) in [
        ("/sede", json!(1)),
        ("/seed", json!(-1)),
        ("/end", json!("10")),
        ("/end", json!("10 parsecs")),
        ("/end", json!(10)),
        ("/topology", json!({ "rung": { "nodes": 5 } })),
        ("/topology/ring/nodes", json!(0)),
        ("/topology/ring/nodes", json!(4_000_000_000u32)),
        ("/topology/ring/degree", json!(3)),
        ("/node/broadcast", json!("flute")),
        ("/links/loss", json!(0.5)),
        ("/links/latency", json!("everywhere")),
        ("/links/jitter", json!({ "share": 2 })),
        ("/links/kind", json!({ "datagram": { "loss": -0.1 } })),
        ("/timeline/0/do/broadcast/count", json!(0)),
        ("/timeline/0/do/broadcast/from", json!([0])),
        ("/timeline/0/do", json!({ "snapshot": { "name": "../x" } })),
        ("/expect", json!(["everyone_is_happy"])),
    ] {
        let mut wrong = right.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        match wrong.pointer_mut(parent).unwrap() {
            Value::Object(object) => object.insert(key.into(), value.clone()),
            other => panic!("{path} leads into {other}"),
        };
        assert!(!complaints(&wrong).is_empty(), "{path} = {value} fits the schema");
        assert!(serde_json::from_value::<ScenarioFile<NodeConfig>>(wrong).is_err() || is_checked_later(path));
    }
}

/// What is no matter of types is refused by the check that follows them.
fn is_checked_later(path: &str) -> bool {
    path == "/topology/ring/nodes" || path == "/timeline/0/do"
}

/// Every choice that needs settings shows how it is written, and what it shows can be read.
#[test]
fn every_choice_has_an_example_that_is_right() {
    let whole = our_schema();
    for (name, definition) in whole["$defs"].as_object().unwrap() {
        for choice in definition["oneOf"].as_array().into_iter().flatten().filter(|it| it["const"].is_null())
        {
            let examples = choice["examples"].as_array();
            let examples =
                examples.unwrap_or_else(|| panic!("no example in {name}: {:#}", choice["properties"]));
            let schema = json!({ "$ref": format!("#/$defs/{name}"), "$defs": whole["$defs"] });
            let validator = jsonschema::validator_for(&schema).unwrap();
            assert!(examples.iter().all(|example| validator.is_valid(example)), "{name}: {examples:?}");
        }
    }
}

#[test]
fn the_configuration_of_another_protocol_is_described_too() {
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    #[serde(default)]
    struct Own {
        /// To how many.
        fanout: u32,
        /// How eagerly.
        mood: Option<Mood>,
    }
    #[derive(serde::Serialize, schemars::JsonSchema)]
    #[allow(dead_code)]
    enum Mood {
        /// At once.
        Eager,
        /// Later.
        Lazy,
    }
    let text = reference(&schema::<Own>());
    for line in ["| `fanout` | whole number, 0 or more | `0` | To how many. |", "**`\"Eager\"`**: At once."] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn descriptions_speak_to_users_not_to_programmers() {
    let text = our_schema().to_string();
    for jargon in ["[`", "::", "uint32", "\"format\""] {
        assert!(!text.contains(jargon), "`{jargon}` in the schema");
    }
}
