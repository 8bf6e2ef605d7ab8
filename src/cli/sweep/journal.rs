//! The runs of a sweep on disk, a line each, so that a sweep that was interrupted can go on.

use crate::report::SweepRun;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::Path;

/// The file of runs.
const RUNS: &str = "runs.jsonl";
/// The file that tells which sweep they belong to.
const IDENTITY: &str = "identity";

/// The runs so far. Lines are appended in order; what is on disk is always the beginning of the whole, and at most
/// half a line more.
pub(super) struct Journal {
    runs: File,
    _lock: Lock,
}

/// As long as it lives, no other process has a journal in the same folder.
struct Lock {
    _file: File,
}

/// What an earlier start of the program left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Runs of this sweep; so many.
    Runs(u64),
    /// Runs of another sweep. They are gone now.
    Another,
}

impl Journal {
    /// Opens the journal in a folder. Runs of the same sweep that are already there are given to `known`, as long as
    /// that takes them; what follows the last one that it took is removed.
    pub(super) fn open(
        folder: &Path,
        identity: &str,
        mut known: impl FnMut(&SweepRun) -> bool,
    ) -> io::Result<(Journal, Left)> {
        let lock = Lock::on(folder)?;
        let is_same = fs::read_to_string(folder.join(IDENTITY)).is_ok_and(|found| found == identity);
        let was_there = folder.join(RUNS).exists();
        if !is_same {
            for entry in fs::read_dir(folder)? {
                fs::remove_file(entry?.path())?;
            }
            fs::write(folder.join(IDENTITY), identity)?;
        }
        let path = folder.join(RUNS);
        let mut runs = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let (mut count, mut length) = (0, 0);
        for line in whole_lines(&runs) {
            let line = line?;
            match serde_json::from_str(&line) {
                Ok(run) if known(&run) => (count, length) = (count + 1, length + line.len() as u64),
                _ => break,
            }
        }
        runs.set_len(length)?;
        runs.seek(io::SeekFrom::End(0))?;
        let left = match (was_there, is_same) {
            (true, false) => Left::Another,
            _ if count > 0 => Left::Runs(count),
            _ => Left::Nothing,
        };
        Ok((Journal { runs, _lock: lock }, left))
    }

    /// Writes a run down.
    pub(super) fn append(&mut self, run: &SweepRun) -> io::Result<()> {
        let line = serde_json::to_string(run).expect("a run has string keys and no failing parts") + "\n";
        // In one piece: whoever ends the program now leaves the line or nothing, as a rule.
        self.runs.write_all(line.as_bytes())
    }

    /// Every run, from the first.
    pub(super) fn read(&mut self) -> io::Result<impl Iterator<Item = io::Result<SweepRun>>> {
        self.runs.rewind()?;
        Ok(whole_lines(&self.runs).map(|line| Ok(serde_json::from_str(&line?)?)))
    }

    /// Ends the journal, which stands in this folder by now: the runs stay, and nothing goes on with them.
    pub(super) fn close(self, folder: &Path) -> io::Result<()> {
        fs::remove_file(folder.join(IDENTITY))
    }
}

impl Lock {
    /// The file that is locked stands beside the folder, which is to be moved.
    fn on(folder: &Path) -> io::Result<Lock> {
        let file = File::create(folder.with_file_name(".sweep.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::other("another sweep of this scenario is under way there"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The lines that end, with their ends. A last one that does not was cut off.
fn whole_lines(file: &File) -> impl Iterator<Item = io::Result<String>> {
    let mut reader = BufReader::new(file);
    std::iter::from_fn(move || {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(_) => line.ends_with('\n').then_some(Ok(line)),
            // Not text: whatever that is, it is no run.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => Some(Err(error)),
        }
    })
}
