//! Errors as people see them: the place in the file, and what to do.

use crate::scenario::{Problem, Problems, ScenarioError, Source};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::io::{self, IsTerminal, Write};

/// How many problems of one file are shown.
const MOST_SHOWN: usize = 10;

/// A line on standard error.
pub(super) fn say(text: &str) {
    // There is nobody left to tell if this fails.
    let _ = writeln!(io::stderr(), "rumormill: {}", super::harmless(text));
}

/// Tells what is wrong with a scenario.
pub(super) fn complain(error: &ScenarioError) {
    let ScenarioError::Wrong(Problems { source, problems }) = error else { return say(&error.to_string()) };
    let renderer = if io::stderr().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    let shown: Vec<String> =
        problems.iter().take(MOST_SHOWN).map(|problem| show(&renderer, source, problem)).collect();
    let _ = writeln!(io::stderr(), "{}", shown.join("\n\n"));
    if problems.len() > MOST_SHOWN {
        say(&format!("… and {} more problems", problems.len() - MOST_SHOWN));
    }
}

fn show(renderer: &Renderer, source: &Source, problem: &Problem) -> String {
    let Problem { span, path, message, remedy } = problem;
    let title = if path.is_empty() { message.clone() } else { format!("{path}: {message}") };
    let snippet = Snippet::source(&source.text)
        .path(&source.name)
        .annotation(AnnotationKind::Primary.span(span.clone()).label("here"));
    let mut group = Level::ERROR.primary_title(title).element(snippet);
    if !remedy.is_empty() {
        group = group.element(Level::HELP.message(remedy));
    }
    renderer.render(&[group])
}
