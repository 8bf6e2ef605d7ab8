//! A sweep as tables for other programs: RFC 4180, with a line of names first.

use super::metric::number;
use super::{METRICS, Setting, SweepRun, SweepSummary};
use serde_json::Value;
use std::borrow::Cow;

impl SweepRun {
    /// The names of the columns of [`SweepRun::csv_row`].
    pub fn csv_head(setting: &Setting) -> String {
        let metrics = METRICS.iter().map(|metric| metric.name);
        line(setting.keys().map(String::as_str).chain(["seed", "verdict"]).chain(metrics).chain(["digest"]))
    }

    /// One line: what was set, seed, verdict, metrics, digest. What was not measured is empty.
    pub fn csv_row(&self) -> String {
        let mut fields: Vec<String> = self.setting.values().map(text_of).collect();
        fields.extend([self.seed.to_string(), self.verdict.to_string()]);
        fields.extend(self.metrics.values().map(|value| value.map_or(String::new(), exact)));
        fields.push(self.digest.clone());
        line(fields.iter().map(String::as_str))
    }
}

impl SweepSummary {
    /// A line per setting and metric.
    pub fn metrics_csv(&self) -> String {
        let paths = self.settings.first().into_iter().flat_map(|setting| setting.setting.keys());
        let names =
            ["metric", "runs", "median", "percentile_5", "percentile_95", "worst", "worst_seed"].into_iter();
        let mut csv = line(paths.map(String::as_str).chain(names));
        for setting in &self.settings {
            for of in &setting.metrics {
                let mut fields: Vec<String> = setting.setting.values().map(text_of).collect();
                fields.extend([of.metric.name.into(), of.runs.to_string()]);
                fields.extend([of.median, of.percentile_5, of.percentile_95, of.worst].map(exact));
                fields.push(of.worst_seed.to_string());
                csv += &line(fields.iter().map(String::as_str));
            }
        }
        csv
    }
}

/// A value as it stands on the command line: texts without quotes.
pub(super) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn exact(value: f64) -> String {
    number(value).to_string()
}

fn line<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let fields: Vec<Cow<'_, str>> = fields.map(quoted).collect();
    fields.join(",") + "\n"
}

fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\"")).into();
    }
    field.into()
}
