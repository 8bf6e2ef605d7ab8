//! A scenario as a person would write it: a line for each entry, and nothing that goes without saying.

use crate::scenario::ScenarioFile;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The text of a scenario file.
pub(super) fn text<C: Serialize + DeserializeOwned + Default>(file: &ScenarioFile<C>) -> String {
    let whole = serde_json::to_value(file).expect("a scenario can be written");
    let means_the_same = |shorter: &Value| {
        let read = serde_json::from_value::<ScenarioFile<C>>(shorter.clone()).ok();
        read.is_some_and(|file| serde_json::to_value(file).is_ok_and(|read| read == whole))
    };
    let mut short = whole.clone();
    leave_out(&mut short, String::new(), &means_the_same);
    let Value::Object(keys) = &short else { return spaced(&short) };
    let keys: Vec<String> = keys
        .iter()
        .map(|(key, value)| match value {
            Value::Array(entries) if key == "timeline" => {
                let entries: Vec<String> =
                    entries.iter().map(|entry| format!("    {}", spaced(entry))).collect();
                format!("  \"timeline\": [\n{}\n  ]", entries.join(",\n"))
            }
            value => format!("  {}: {}", Value::from(key.as_str()), spaced(value)),
        })
        .collect();
    format!("{{\n{}\n}}\n", keys.join(",\n"))
}

/// Takes out every key at or below a place without which the whole means the same.
fn leave_out(whole: &mut Value, place: String, means_the_same: &impl Fn(&Value) -> bool) {
    let keys: Vec<String> = match whole.pointer(&place) {
        Some(Value::Object(object)) => object.keys().cloned().collect(),
        Some(Value::Array(array)) => (0..array.len()).map(|number| number.to_string()).collect(),
        _ => return,
    };
    for key in keys {
        let mut shorter = whole.clone();
        if let Some(Value::Object(object)) = shorter.pointer_mut(&place) {
            object.shift_remove(&key);
            if means_the_same(&shorter) {
                *whole = shorter;
                continue;
            }
        }
        leave_out(whole, format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")), means_the_same);
    }
}

/// JSON in one line, with spaces.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(object) if !object.is_empty() => {
            let keys =
                object.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
        Value::Array(array) => format!("[{}]", array.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}
