//! Parsing a scenario file, and serde's complaints put into words that help: at the right place, with a remedy.

use super::file::ScenarioFile;
use super::source::{Problem, Source};
use crate::units::grouped;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::ops::Range;

/// Parses the text into the file's form; the first thing that does not fit is the problem.
pub(super) fn parse<C: DeserializeOwned + Default>(source: &Source) -> Result<ScenarioFile<C>, Problem> {
    let mut json = serde_json::Deserializer::from_str(&source.text);
    let file = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| problem(source, &dotted(&error.path().to_string()), error.inner()))?;
    json.end().map_err(|error| problem(source, "", &error))?;
    Ok(file)
}

/// `timeline[0].do` as `timeline.0.do`; the root as the empty path.
fn dotted(path: &str) -> String {
    if path == "." || path == "?" {
        return String::new();
    }
    path.replace('[', ".").replace(']', "")
}

fn problem(source: &Source, path: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let complaint = text.rsplit_once(" at line ").map_or(text.as_str(), |(complaint, _)| complaint);
    let place = source.offset(error.line(), error.column());
    let is_json = source.span("").is_some();
    let (message, remedy) = match error.classify() {
        Category::Data => reword(complaint),
        _ if is_json && complaint == "expected value" => (
            "there is more than one key, or something that is neither a key nor a name".into(),
            "write exactly one, as in {\"broadcast\": {…}}".into(),
        ),
        _ => reword_syntax(complaint),
    };
    let span = match error.classify() {
        Category::Data => data_span(source, path, complaint, place),
        _ if is_json => source.span(path).unwrap_or_else(|| character(source, place)),
        _ => character(source, place),
    };
    // The path of an unknown key leads to the key itself; what does not know it is the object around it.
    let path = match path.rsplit_once('.') {
        _ if error.classify() != Category::Data && !is_json => "",
        Some((parent, _)) if complaint.starts_with("unknown field") => parent,
        None if complaint.starts_with("unknown field") => "",
        _ => path,
    };
    Problem { span, path: path.into(), message, remedy }
}

fn data_span(source: &Source, path: &str, complaint: &str, place: usize) -> Range<usize> {
    let named = complaint.split('`').nth(1).unwrap_or_default();
    if complaint.starts_with("duplicate field") {
        // Serde stands on the closing quote of the second of the two.
        return (place + 1).saturating_sub(named.len() + 2)..place + 1;
    }
    let key = match complaint {
        _ if complaint.starts_with("unknown field") => source.key_span(path),
        _ if complaint.starts_with("unknown variant") => source.key_span(&format!("{path}.{named}")),
        _ => None,
    };
    key.or_else(|| source.span(path)).unwrap_or_else(|| character(source, place))
}

/// The character at a place, or nothing at the end of the text.
fn character(source: &Source, place: usize) -> Range<usize> {
    let length = source.text[place..].chars().next().map_or(0, char::len_utf8);
    place..place + length
}

fn reword(complaint: &str) -> (String, String) {
    let (what, expected) = complaint.split_once(", expected ").unwrap_or((complaint, ""));
    let named = what.split('`').nth(1).unwrap_or_default();
    let expected =
        expected.strip_prefix("one of ").map_or(expected.to_owned(), |names| format!("one of {names}"));
    for (start, thing) in [("unknown field", "key"), ("unknown variant", "name")] {
        if what.starts_with(start) {
            let known = expected.trim_start_matches("one of ");
            let guess = did_you_mean(named, known.split('`').skip(1).step_by(2));
            return (format!("unknown {thing} `{named}`"), format!("{guess}known here: {known}"));
        }
    }
    if what.starts_with("missing field") {
        return (format!("the key `{named}` is missing"), format!("add \"{named}\": …"));
    }
    if what.starts_with("duplicate field") {
        return (format!("the key `{named}` stands here twice"), "remove one of them".into());
    }
    if what.starts_with("invalid type: unit variant") {
        return ("this needs its settings".into(), "write {\"name\": {…}} instead of \"name\"".into());
    }
    if expected.contains("struct ") || expected.contains("map") {
        return (found(what), "write an object: {…}".into());
    }
    let expected = match expected.as_str() {
        "u32" => format!("a whole number from 0 to {}", grouped(u32::MAX.into())),
        "u64" => format!("a whole number from 0 to {}", grouped(u64::MAX)),
        "a nonzero u32" => format!("a whole number from 1 to {}", grouped(u32::MAX.into())),
        "f64" => "a number".into(),
        "a sequence" => "a list: […]".into(),
        _ => expected,
    };
    let remedy = if expected.is_empty() { String::new() } else { format!("expected {expected}") };
    (found(what), remedy)
}

/// What was probably meant by a name that is unknown, as the beginning of a remedy; empty if nothing known is close to it.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // One slip in three letters, as rustc allows; exchanging two neighbors is one slip.
    let most = (unknown.chars().count() / 3).max(1);
    let slips = |name: &str| strsim::osa_distance(&unknown.to_lowercase(), &name.to_lowercase());
    let closest = known.into_iter().map(|name| (slips(name), name)).min_by_key(|(slips, _)| *slips);
    match closest.filter(|(slips, name)| *name != unknown && *slips <= most && *slips < name.chars().count())
    {
        Some((_, name)) => format!("did you mean `{name}`? "),
        None => String::new(),
    }
}

/// `invalid type: string "x"` as `found the string "x"`.
fn found(what: &str) -> String {
    if what.starts_with("invalid length") {
        return "a list does not fit here".into();
    }
    let Some((_, value)) = what.split_once(": ").filter(|(kind, _)| kind.starts_with("invalid ")) else {
        return what.into();
    };
    format!("{value} does not fit here")
}

fn reword_syntax(complaint: &str) -> (String, String) {
    let (message, remedy) = match complaint {
        "trailing characters" => {
            ("something follows the scenario", "a file holds one JSON object; remove the rest")
        }
        "trailing comma" => ("a comma with nothing behind it", "remove it"),
        "recursion limit exceeded" => {
            ("brackets are nested too deeply", "no scenario needs more than ten levels")
        }
        "number out of range" => ("this number is too large", "write a smaller one"),
        "EOF while parsing a value" => ("the file ends where a value is expected", "is it empty or cut off?"),
        _ if complaint.starts_with("control character") => (
            "a quote is missing before the end of this line",
            "texts begin and end with \", and stay on one line",
        ),
        _ if complaint.starts_with("EOF while parsing") => {
            ("the file ends too early", "a closing bracket or quote is missing")
        }
        _ => return (format!("this is not JSON: {complaint}"), "check quotes, commas and brackets".into()),
    };
    (message.into(), remedy.into())
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_guess_is_made_only_when_it_is_close() {
        let known = ["broadcast", "snapshot", "crash"];
        for (unknown, guess) in [
            ("broadcats", "did you mean `broadcast`? "),
            ("Snapshot", "did you mean `snapshot`? "),
            ("snap-shot", "did you mean `snapshot`? "),
            ("crush", "did you mean `crash`? "),
            ("splash", ""),
            ("cast", ""),
            ("", ""),
        ] {
            assert_eq!(did_you_mean(unknown, known), guess, "{unknown}");
        }
        assert_eq!(did_you_mean("x", ["y"]), "", "another letter is another name");
        assert_eq!(did_you_mean("broadcast", []), "");
    }
}
