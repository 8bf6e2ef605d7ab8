//! The schema as a document for people: every key with its values, its default, its meaning, and examples.

use crate::units::grouped;
use schemars::Schema;
use serde_json::{Map, Value};

const INTRODUCTION: &str = r##"# Scenario files

A scenario is one JSON object that says which network there is, what happens to it, and what must hold. The smallest one:

```json
{
  "topology": { "ring": { "nodes": 5 } },
  "timeline": [ { "at": "0s", "do": { "broadcast": { "from": 0 } } } ],
  "end": "1s"
}
```

`rumormill check FILE` tells whether a file is right, and prints it with every default filled in. A key that is not
described here is an error. With `"$schema": "./scenario.schema.json"` in it, an editor completes and checks a scenario
while you type.

A **duration** is a text of a number and a unit (`ns`, `us`, `ms`, `s`, `min`, `h`, `d`): `"10ms"`, `"1.5s"`. A **share**
or a probability is a number from 0 to 1. Where there is something to choose from, a choice is either a text, such as
`"flood"`, or an object with one key, such as `{ "ring": { "nodes": 5 } }`.

(This document is made by `rumormill schema --markdown`.)
"##;

/// A document in Markdown that tells what a [`schema`](super::schema()) says.
pub fn reference(schema: &Schema) -> String {
    let schema = schema.as_value();
    let mut document = Document { definitions: &schema["$defs"], text: INTRODUCTION.into() };
    document.contents(schema);
    for (key, value) in properties(schema) {
        document.section(2, key, value, schema);
    }
    document.text
}

struct Document<'a> {
    definitions: &'a Value,
    text: String,
}

impl<'a> Document<'a> {
    fn contents(&mut self, schema: &'a Value) {
        self.paragraph("| key | | what it says |\n|---|---|---|");
        for (key, value) in properties(schema) {
            let anchor: String = key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let needed = if is_required(schema, key) { "required" } else { "" };
            self.text += &format!("| [`{key}`](#{anchor}) | {needed} | {} |\n", cell(&meaning(value)));
        }
    }

    /// All about one key of `owner`.
    fn section(&mut self, level: usize, key: &str, value: &'a Value, owner: &'a Value) {
        self.paragraph(&format!("{} `{key}`", "#".repeat(level)));
        self.paragraph(&meaning(value));
        let (item, is_list) = self.item(value);
        let what = match (choices(item), is_list) {
            (Some(_), true) => "A list of any of the choices below.".into(),
            (Some(_), false) => "One of the choices below.".into(),
            (None, true) if is_object(item) => "A list of objects with these keys:".into(),
            (None, false) if is_object(item) => "An object with these keys:".into(),
            _ => capitalized(&format!("{}.", self.kind(value))),
        };
        let default = match default(value, owner, key) {
            text if text.is_empty() || is_object(item) => String::new(),
            text if text == "required" => " Required.".into(),
            text => format!(" Default: {text}."),
        };
        self.paragraph(&format!("{what}{default}"));
        self.body(level, item);
        if !is_object(item) && choices(item).is_none() {
            let own = &value["examples"];
            self.example(if own.is_null() { &item["examples"] } else { own });
        }
    }

    /// What stands inside a value: the keys of an object, or the choices.
    fn body(&mut self, level: usize, value: &'a Value) {
        if let Some(choices) = choices(value) {
            choices.iter().for_each(|choice| self.choice(level, choice));
        } else if is_object(value) {
            self.paragraph("| key | value | default | meaning |\n|---|---|---|---|");
            self.rows("", value);
            self.example(&value["examples"]);
            for (key, property) in properties(value) {
                if choices(self.item(property).0).is_some() {
                    self.section(level + 1, key, property, value);
                }
            }
        }
    }

    fn choice(&mut self, level: usize, choice: &'a Value) {
        let meaning = meaning(choice);
        let Some((name, payload)) = properties(choice).next() else {
            return self.paragraph(&format!("**`{}`**: {meaning}", choice["const"]));
        };
        let payload = self.resolve(payload);
        if is_object(payload) || choices(payload).is_some() {
            self.paragraph(&format!("**`{name}`**: {meaning}"));
            self.body(level, payload);
        } else {
            self.paragraph(&format!("**`{name}`**, {}: {meaning}", self.kind(payload)));
        }
        self.example(&choice["examples"]);
    }

    /// The first example, if there is one.
    fn example(&mut self, examples: &Value) {
        if let Some(example) = examples.get(0) {
            self.paragraph(&format!("```json\n{}\n```", inline(example)));
        }
    }

    /// A row for each key; the keys of an object inside stand behind a dot.
    fn rows(&mut self, before: &str, object: &'a Value) {
        for (key, value) in properties(object) {
            let inner = self.resolve(value);
            if is_object(inner) {
                self.rows(&format!("{before}{key}."), inner);
                continue;
            }
            let (kind, default, meaning) =
                (self.kind(value), default(value, object, key), cell(&meaning(value)));
            self.text += &format!("| `{before}{key}` | {} | {default} | {meaning} |\n", cell(&kind));
        }
    }

    /// What kind of value it is, in words.
    fn kind(&self, value: &'a Value) -> String {
        let value = self.resolve(value);
        if let Some(choices) = choices(value) {
            let names = choices.iter().map(|choice| match properties(choice).next() {
                Some((name, _)) => format!("`{name}`"),
                None => format!("`{}`", choice["const"]),
            });
            return names.collect::<Vec<_>>().join(", ");
        }
        let types = match &value["type"] {
            Value::Array(types) => {
                types.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
            }
            name => Vec::from_iter(name.as_str()),
        };
        match types[..] {
            ["array"] => format!("list of {}", plural(&self.kind(&value["items"]))),
            ["integer", "string"] => "number or name".into(),
            ["integer"] => format!("whole number{}", range(value)),
            ["number"] => format!("number{}", range(value)),
            ["string"] if value["pattern"].as_str().is_some_and(|pattern| pattern.contains("ms|")) => {
                "duration".into()
            }
            ["string"] => "text".into(),
            ["boolean"] => "`true` or `false`".into(),
            _ => "anything".into(),
        }
    }

    /// The value, or what it is a list of; and whether it is a list.
    fn item(&self, value: &'a Value) -> (&'a Value, bool) {
        let value = self.resolve(value);
        if value["type"] == "array" { (self.resolve(&value["items"]), true) } else { (value, false) }
    }

    /// The schema that a reference names; of something that may be left out, the schema of what it is.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let value = value["anyOf"].get(0).unwrap_or(value);
        let name = value["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        name.map_or(value, |name| &self.definitions[name])
    }

    fn paragraph(&mut self, text: &str) {
        self.text += &format!("\n{text}\n");
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flat_map(Map::iter)
}

fn choices(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array()
}

fn is_object(schema: &Value) -> bool {
    schema["properties"].is_object() && choices(schema).is_none()
}

fn is_required(owner: &Value, key: &str) -> bool {
    owner["required"].as_array().is_some_and(|keys| keys.iter().any(|name| name == key))
}

fn default(value: &Value, owner: &Value, key: &str) -> String {
    match &value["default"] {
        _ if is_required(owner, key) => "required".into(),
        Value::Null => String::new(),
        default => format!("`{}`", inline(default)),
    }
}

/// The description, without a default that the schema tells as well.
fn meaning(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let end = if schema["default"].is_null() { None } else { text.find("Default: ") };
    text[..end.unwrap_or(text.len())].trim().to_owned()
}

fn range(schema: &Value) -> String {
    let bound = |key: &str| match &schema[key] {
        Value::Number(number) => Some(number.as_u64().map_or(number.to_string(), grouped)),
        _ => None,
    };
    // That a number has to fit into the machine is nothing that anybody needs to read.
    let most = bound("maximum").filter(|_| schema["maximum"] != u64::MAX && schema["maximum"] != u32::MAX);
    match (bound("minimum"), most) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

fn plural(kind: &str) -> String {
    match kind {
        "text" => "texts".into(),
        "duration" => "durations".into(),
        "number or name" => "numbers or names".into(),
        _ => kind.into(),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// A text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// JSON on one line, with room to breathe.
fn inline(value: &Value) -> String {
    let join = |parts: Vec<String>, open, close| {
        if parts.is_empty() {
            format!("{open}{close}")
        } else {
            format!("{open} {} {close}", parts.join(", "))
        }
    };
    match value {
        Value::Object(map) => {
            let part =
                |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), inline(value));
            join(map.iter().map(part).collect(), "{", "}")
        }
        Value::Array(items) => join(items.iter().map(inline).collect(), "[", "]"),
        // 0.0 as 0.
        Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        scalar => scalar.to_string(),
    }
}
