//! Lines from a person at a terminal, with editing and history, or from a pipe; and what is said in return.

use crate::cli::{Failure, complain, harmless};
use rustyline::config::Config;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, ExternalPrinter};
use std::io::{self, BufRead, BufWriter, IsTerminal, Stdout, Write};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// The longest text of one message, in bytes.
pub(in crate::cli) const MOST_TEXT: usize = 64 << 10;

/// So long a terminal may take for what is still to be said at the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What comes from the person or program at the other end of the input.
pub(in crate::cli) enum Input {
    Line(String),
    /// A line of so many bytes, more than a text may have.
    TooLong(u64),
    /// There is nothing more.
    End,
    /// Ctrl-C.
    Interrupt,
}

/// Lets the next line be read. Without it no further one is.
pub(in crate::cli) struct Keyboard {
    next: Sender<()>,
    pub(in crate::cli) is_terminal: bool,
}

impl Keyboard {
    pub(in crate::cli) fn go_on(&self) {
        // After the end of the input nobody listens.
        _ = self.next.send(());
    }
}

/// Says things to whoever uses the program.
pub(in crate::cli) enum Voice {
    /// To standard output, where results are gathered until `flush`, and standard error.
    Plain(BufWriter<Stdout>),
    /// To a terminal, above the line that is being typed.
    Terminal(Sender<Said>),
}

pub(in crate::cli) enum Said {
    Text(String),
    /// Everything before is said.
    Flush(Sender<()>),
}

impl Voice {
    /// A result: what the program is there for.
    pub(in crate::cli) fn tell(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Voice::Plain(out) => {
                writeln!(out, "{}", harmless(text)).map_err(Failure::output("to standard output"))
            }
            Voice::Terminal(printer) => {
                _ = printer.send(Said::Text(harmless(text)));
                Ok(())
            }
        }
    }

    /// Anything else that is worth knowing.
    pub(in crate::cli) fn note(&mut self, text: &str) {
        match self {
            Voice::Plain(_) => complain::say(text),
            Voice::Terminal(printer) => _ = printer.send(Said::Text(harmless(&format!("* {text}")))),
        }
    }

    /// A line that is there to be copied: as it is, beside the results.
    pub(in crate::cli) fn show(&mut self, line: &str) {
        match self {
            Voice::Plain(_) => _ = writeln!(io::stderr(), "{}", harmless(line)),
            Voice::Terminal(printer) => _ = printer.send(Said::Text(harmless(line))),
        }
    }

    /// From here on everything waits for something to happen.
    pub(in crate::cli) fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Voice::Plain(out) => out.flush().map_err(Failure::output("to standard output")),
            Voice::Terminal(_) => Ok(()),
        }
    }

    /// Nothing more will be said.
    pub(in crate::cli) fn finish(&mut self) -> Result<(), Failure> {
        if let Voice::Terminal(printer) = self {
            let (done, is_done) = mpsc::channel();
            if printer.send(Said::Flush(done)).is_ok() {
                _ = is_done.recv_timeout(LAST_WORDS);
            }
        }
        self.flush()
    }
}

/// Begins to read lines; `tell` hears of them. On a terminal they are edited, and remembered in the file `history`.
pub(in crate::cli) fn open(
    history: Option<PathBuf>,
    tell: impl Fn(Input) + Send + 'static,
) -> (Keyboard, Voice) {
    let (next, may_go_on) = mpsc::channel();
    if io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && let Ok((editor, printer)) = edited(history.as_ref())
    {
        let (said, to_say) = mpsc::channel();
        spawn(move || speak(printer, &to_say));
        spawn(move || read_edited(editor, history, &may_go_on, tell));
        return (Keyboard { next, is_terminal: true }, Voice::Terminal(said));
    }
    spawn(move || read_plainly(io::stdin().lock(), &may_go_on, tell));
    (Keyboard { next, is_terminal: false }, Voice::Plain(BufWriter::new(io::stdout())))
}

/// A thread that waits for people and for signals; what they want happens one after the other elsewhere.
#[expect(clippy::disallowed_methods, reason = "no simulation runs here")]
pub(in crate::cli) fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}

type LineEditor = Editor<(), DefaultHistory>;

fn edited(history: Option<&PathBuf>) -> rustyline::Result<(LineEditor, impl ExternalPrinter + Send + use<>)> {
    let config = Config::builder().max_history_size(1_000)?.auto_add_history(true).build();
    let mut editor = LineEditor::with_config(config)?;
    let printer = editor.create_external_printer()?;
    if let Some(history) = history {
        // There is none at first.
        _ = editor.load_history(history);
    }
    Ok((editor, printer))
}

fn speak(mut printer: impl ExternalPrinter, to_say: &Receiver<Said>) {
    for said in to_say {
        match said {
            Said::Text(text) => _ = printer.print(format!("{text}\n")),
            Said::Flush(done) => _ = done.send(()),
        }
    }
}

fn read_edited(
    mut editor: LineEditor,
    history: Option<PathBuf>,
    may_go_on: &Receiver<()>,
    tell: impl Fn(Input),
) {
    loop {
        match editor.readline("> ") {
            Ok(line) if line.len() > MOST_TEXT => tell(Input::TooLong(line.len() as u64)),
            Ok(line) => {
                // A history that cannot be kept is no reason to stop.
                _ = history.as_ref().map(|file| editor.append_history(file));
                tell(Input::Line(line));
            }
            Err(ReadlineError::Interrupted) => tell(Input::Interrupt),
            Err(_) => return tell(Input::End),
        }
        if may_go_on.recv().is_err() {
            return;
        }
    }
}

fn read_plainly(mut input: impl BufRead, may_go_on: &Receiver<()>, tell: impl Fn(Input)) {
    loop {
        match read_line(&mut input) {
            Ok(Some((_, length))) if length > MOST_TEXT as u64 => tell(Input::TooLong(length)),
            Ok(Some((line, _))) => tell(Input::Line(String::from_utf8_lossy(&line).into_owned())),
            // Closed from the start, perhaps.
            Ok(None) | Err(_) => return tell(Input::End),
        }
        if may_go_on.recv().is_err() {
            return;
        }
    }
}

/// The next line, of which no more is kept than a text may have; and how long it is.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<(Vec<u8>, u64)>> {
    let (mut line, mut length) = (Vec::new(), 0);
    loop {
        let part = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            part => part?,
        };
        if part.is_empty() {
            return Ok((length > 0).then_some((line, length)));
        }
        let end = part.iter().position(|&byte| byte == b'\n');
        let text = &part[..end.unwrap_or(part.len())];
        length += text.len() as u64;
        line.extend_from_slice(&text[..text.len().min(MOST_TEXT.saturating_sub(line.len()))]);
        let taken = text.len() + usize::from(end.is_some());
        input.consume(taken);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(Some((line, length)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_end_and_never_kept_beyond_the_limit() {
        let long = "x".repeat(3 * MOST_TEXT);
        let text = format!("one\r\n\n{long}\nlast");
        let mut input = io::BufReader::with_capacity(1_000, text.as_bytes());
        let mut lines = Vec::new();
        while let Some((line, length)) = read_line(&mut input).unwrap() {
            lines.push((line.len(), length));
        }
        assert_eq!(lines, [(3, 4), (0, 0), (MOST_TEXT, 3 * MOST_TEXT as u64), (4, 4)]);
    }
}
