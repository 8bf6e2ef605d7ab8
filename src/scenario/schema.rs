//! The JSON Schema of scenario files: what lets an editor complete and check while one types. It is derived from the
//! types that read the files; here stands what a derive cannot know.

use super::file::{Contact, ScenarioFile, Selector, Target};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The schema of scenario files whose nodes are configured by a `C`.
pub fn schema<C: JsonSchema + Serialize + Default>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(tidy));
    let mut schema = settings.into_generator().into_root_schema_for::<ScenarioFile<C>>();
    schema.insert("title".into(), "A scenario of rumormill".into());
    schema
}

/// Says the range of numbers by bounds, which everyone knows, instead of the names of Rust's types; joins the lines of
/// doc comments; and keeps no defaults that mean "nothing".
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let paragraphs: Vec<String> = text.split("\n\n").map(|lines| lines.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
    let most = match schema.remove("format").as_ref().and_then(|format| format.as_str()) {
        Some("uint32") => Some(u64::from(u32::MAX)),
        Some("uint64") => Some(u64::MAX),
        _ => None,
    };
    if let Some(most) = most
        && schema.get("maximum").is_none()
    {
        schema.insert("maximum".into(), most.into());
    }
    if schema.get("default").is_some_and(|default| *default == "" || *default == json!([])) {
        schema.remove("default");
    }
}

/// What is written as a number or a word is described where it stands, not by a name of its own.
macro_rules! described_in_place {
    ($type:ident, $schema:tt) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

described_in_place!(Selector, { "type": ["integer", "string"], "minimum": 0, "examples": [0, "name"] });
described_in_place!(Contact, {
    "type": ["integer", "string"],
    "minimum": 0,
    "examples": ["genesis", "random", 0, "name"]
});
described_in_place!(Target, {
    "type": ["integer", "string", "object"],
    "minimum": 0,
    "examples": ["random", "all", 0, "name", {"share": 0.1}]
});
