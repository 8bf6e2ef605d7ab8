//! The text of a scenario file: where in it a path stands, what is wrong there, and changing one value of it.

use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::fmt;
use std::ops::Range;

/// A scenario's text and the name under which it is spoken of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The path of the file, and what was changed in it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong with a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// Where it stands in the object: `timeline.0.do.broadcast.count`; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Source {
    /// The line and column, both from 1, of a place in the text. Columns count characters.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The place that serde_json calls by line and column (both from 1, the column in bytes).
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let line_start: usize =
            self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let offset = (line_start + column.saturating_sub(1)).min(self.text.len());
        self.text.floor_char_boundary(offset)
    }

    /// Where the value at a path stands: the value itself, or the opening bracket of one that spans lines. For a path
    /// that leads nowhere, the deepest part of it that exists.
    pub fn span(&self, path: &str) -> Option<Range<usize>> {
        self.look_up(path, |found| match found {
            Found::Value(value) => head(value, &self.text),
            Found::Missing { within, .. } => head(within, &self.text),
        })
    }

    /// Where the key at a path stands, if the path ends in a key that exists.
    pub fn key_span(&self, path: &str) -> Option<Range<usize>> {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        self.look_up(parent, |found| {
            let Found::Value(Value::Object(object)) = found else { return None };
            object.properties.iter().rev().find(|property| property.name.as_str() == key).map(key_range)
        })?
    }

    /// Replaces the value at a path, or adds it where only its last keys are missing. `value` is JSON; what is no
    /// JSON is taken as a string. A text that is not JSON stays as it is: parsing it tells why.
    ///
    /// # Errors
    /// If the path leads nowhere, in words.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), String> {
        if path.split('.').any(str::is_empty) {
            return Err("a path is made of keys and numbers with dots between them".into());
        }
        let json = match serde_json::from_str::<serde_json::Value>(value) {
            Ok(_) => value.trim().to_owned(),
            Err(_) => serde_json::Value::from(value).to_string(),
        };
        let edit = self.look_up(path, |found| match found {
            Found::Value(value) => Ok((value.range().start..value.range().end, json.clone())),
            Found::Missing { within: Value::Object(object), rest } => {
                let inserted = nested(rest, &json)?;
                let separator = if object.properties.is_empty() { "" } else { ", " };
                let start = object.range.start + 1;
                Ok((start..start, format!("{inserted}{separator}")))
            }
            Found::Missing { within: Value::Array(array), rest } => {
                Err(format!("there is no entry `{}`; the list has {}", rest[0], array.elements.len()))
            }
            Found::Missing { rest, .. } => {
                Err(format!("`{}` is inside something that has no parts", rest[0]))
            }
        });
        if let Some((range, text)) = edit.transpose()? {
            self.text.replace_range(range, &text);
        }
        Ok(())
    }

    /// Follows a path; `None` if the text is no JSON.
    fn look_up<T>(&self, path: &str, then: impl FnOnce(Found<'_, '_>) -> T) -> Option<T> {
        let strict = ParseOptions {
            allow_comments: false,
            allow_loose_object_property_names: false,
            allow_trailing_commas: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_extended_string_escapes: false,
            allow_non_finite_numbers: false,
        };
        let root = parse_to_ast(&self.text, &CollectOptions::default(), &strict).ok()?.value?;
        let segments: Vec<&str> = path.split('.').filter(|segment| !segment.is_empty()).collect();
        Some(then(follow(&root, &segments)))
    }
}

/// Where following a path ends.
enum Found<'a, 'b> {
    Value(&'a Value<'b>),
    /// `within` has no part of the first name in `rest`.
    Missing {
        within: &'a Value<'b>,
        rest: &'a [&'a str],
    },
}

fn follow<'a, 'b>(mut value: &'a Value<'b>, segments: &'a [&'a str]) -> Found<'a, 'b> {
    for (depth, segment) in segments.iter().enumerate() {
        let part = match value {
            Value::Object(object) => {
                object.properties.iter().find(|property| property.name.as_str() == *segment).map(|p| &p.value)
            }
            Value::Array(array) => segment.parse().ok().and_then(|index: usize| array.elements.get(index)),
            _ => None,
        };
        match part {
            Some(part) => value = part,
            None => return Found::Missing { within: value, rest: &segments[depth..] },
        }
    }
    Found::Value(value)
}

fn head(value: &Value<'_>, text: &str) -> Range<usize> {
    let range = value.range();
    let lines = text[range.start..range.end].contains('\n');
    range.start..if lines { range.start + 1 } else { range.end }
}

fn key_range(property: &ObjectProp<'_>) -> Range<usize> {
    let range = property.name.range();
    range.start..range.end
}

/// `"a": {"b": value}` for the keys a, b.
fn nested(keys: &[&str], value: &str) -> Result<String, String> {
    let (key, rest) = keys.split_first().ok_or("the path is empty")?;
    let key = serde_json::Value::from(*key);
    if rest.is_empty() {
        return Ok(format!("{key}: {value}"));
    }
    Ok(format!("{key}: {{{}}}", nested(rest, value)?))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.message)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "test".into(), text: text.into() }
    }

    #[test]
    fn a_path_leads_to_its_place() {
        let text = "{\n  \"a\": [1, {\"b\": \"ü\"}],\n  \"c\": {\n  }\n}";
        let source = source(text);
        let at = |path| source.span(path).map(|span| &text[span]);
        assert_eq!(at("a.0"), Some("1"));
        assert_eq!(at("a.1.b"), Some("\"ü\""));
        assert_eq!(at("a.1.x.y"), Some("{\"b\": \"ü\"}"));
        assert_eq!(at("c"), Some("{"));
        assert_eq!(source.key_span("a.1.b").map(|span| &text[span]), Some("\"b\""));
        assert_eq!(source.line_and_column(source.span("c").unwrap().start), (3, 8));
        assert_eq!(source.offset(3, 8), source.span("c").unwrap().start);
    }

    #[test]
    fn values_are_replaced_and_added() {
        for (path, value, expected) in [
            ("a.b", "30", r#"{"a": {"b": 30}, "l": [1]}"#),
            ("a.b", "10ms", r#"{"a": {"b": "10ms"}, "l": [1]}"#),
            ("l.0", "{\"x\": 1}", r#"{"a": {"b": 1}, "l": [{"x": 1}]}"#),
            ("a.c", "true", r#"{"a": {"c": true, "b": 1}, "l": [1]}"#),
            ("n.m", "2", r#"{"n": {"m": 2}, "a": {"b": 1}, "l": [1]}"#),
        ] {
            let mut source = source(r#"{"a": {"b": 1}, "l": [1]}"#);
            source.set(path, value).unwrap();
            assert_eq!(source.text, expected);
        }
        for path in ["l.1", "a.b.c", "l.x"] {
            assert!(source(r#"{"a": {"b": 1}, "l": [1]}"#).set(path, "1").is_err(), "{path}");
        }
    }
}
