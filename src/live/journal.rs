//! The durable log of one live node: what was appended survives `kill -9`.
//!
//! The records lie in one file, `journal.log`, inside the node's folder, one after the other: the length of the record,
//! a checksum of that and of the record's place in the file, a checksum of the record, the record. All numbers are u32, the lowest
//! byte first; the checksums are CRC-32.
//!
//! # What is promised
//!
//! *A process that dies*, at any moment and in any way, loses nothing that was appended. Appending hands the record to the
//! operating system, in one call of some microseconds; it is the system that writes it to the disk, whether or not the process
//! still lives. A kill in the midst of that call leaves the beginning of a record at the end of the file. Nobody was told that it is
//! safe; it is cut off at the next opening.
//!
//! *A machine that loses its power* is another matter. A thread asks the disk to keep what is new, about once a second while
//! there is something new, and when the journal is dropped. A cut that comes later than that harms nothing. A cut before it
//! can lose what is newer, or leave a file of which some parts are older than others: such a file is refused as
//! [`JournalError::Damaged`], as is every other change of what was written but a file that ends too early.
//!
//! # Why no embedded store
//!
//! A node delivers what is in its log, so a commit stands in the way of every broadcast at every node. The best store for the purpose,
//! redb, takes 47 µs of the processor for one, wants a thread of its own to gather many, and 20 nodes on two cores share the
//! cores with it. A log is only appended to and read from its beginning: of a store's trees it needs nothing.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The file that holds the records.
const FILE: &str = "journal.log";
/// A file in the making: it is renamed when it is whole.
const NEW_FILE: &str = "journal.log.new";
/// Locked by the process that has the journal open; its content means nothing.
const LOCK_FILE: &str = "journal.lock";

/// The first bytes of the file: what it is, and in which form.
const MAGIC: &[u8; 8] = b"rumorlg1";
/// Bytes before each record.
const HEAD: usize = 12;

/// How long new data may wait before the disk is asked to keep it.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The folder, or a file in it, cannot be made, read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// What was to be used.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another journal, of this process or another one, has the folder open.
    #[error("{} is in use: another node runs on it; stop that one, or use another folder", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The file is not as the journal left it.
    #[error(
        "{} is damaged ({reason}); put back a copy of it, or move it away: the node then starts with an empty log",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

/// The durable log of one node.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    file: Arc<File>,
    /// Where the next record begins.
    end: u64,
    /// Head and record in one piece, for one call of the system.
    room: Vec<u8>,
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
    /// Held until the thread has ended.
    _lock: Lock,
}

impl Journal {
    /// Opens the journal in this folder, or creates both; gives what it holds, in order.
    pub(super) fn open(folder: &Path) -> Result<(Journal, Vec<Vec<u8>>), JournalError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let path = folder.join(FILE);
        if !fs::exists(&path).map_err(at(&path))? {
            write_anew(folder, &[])?;
        }
        let mut file = File::options().read(true).write(true).open(&path).map_err(at(&path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at(&path))?;
        let damaged = |reason: &str| JournalError::Damaged { file: path.clone(), reason: reason.to_owned() };
        let (held, end) = read(&bytes).map_err(damaged)?;
        file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).map_err(at(&path))?;
        let shared = Arc::new(Shared::default());
        let flush_all = Arc::clone(&shared);
        let flusher = thread::Builder::new().name("journal disk".into()).spawn(move || flush_all.flush_all());
        let flusher = Some(flusher.map_err(at(&path))?);
        let (folder, file) = (folder.to_owned(), Arc::new(file));
        Ok((Journal { folder, file, end, room: Vec::new(), shared, flusher, _lock: lock }, held))
    }

    /// Puts a record at the end; whether it is safe now. It is not after a [`failure`](Self::failure).
    pub(super) fn append(&mut self, record: &[u8]) -> bool {
        if self.has_failed() {
            return false;
        }
        self.room.clear();
        push(&mut self.room, self.end, record);
        if let Err(error) = (&*self.file).write_all(&self.room) {
            // What was written of it must not stand before another record. (If this fails as well, none follows.)
            _ = self.file.set_len(self.end);
            self.shared.fail(format!("the journal cannot be written: {error}"));
            return false;
        }
        self.end += self.room.len() as u64;
        self.shared.mark_unflushed(&self.file);
        true
    }

    /// Replaces everything by these records, atomically: after a kill there is the old or the new.
    pub(super) fn replace(&mut self, records: &[Vec<u8>]) {
        match write_anew(&self.folder, records) {
            Ok((file, end)) => (self.file, self.end) = (Arc::new(file), end),
            // The old file is as it was, and goes on.
            Err(error) => tracing::warn!(%error, "the log was not made shorter"),
        }
    }

    /// Whether nothing will be written any more.
    pub(super) fn has_failed(&self) -> bool {
        self.shared.state().failure.is_some()
    }

    /// Why the journal stopped writing, if it did: the disk is full or failed, for example. What was safe before stays so; open
    /// the journal anew once the cause is removed.
    pub(super) fn failure(&self) -> Option<String> {
        self.shared.state().failure.clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.unflushed.notify_all();
        if let Some(flusher) = self.flusher.take() {
            _ = flusher.join();
        }
    }
}

/// What the owner shares with the thread that asks the disk. (A disk may take a quarter of a second.)
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something that the disk does not have, or there will be no more.
    unflushed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What was written to since the disk was last asked to keep everything.
    unflushed: Option<Arc<File>>,
    /// The owner will append no more.
    closing: bool,
    failure: Option<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans a point at which a holder could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first failure stays: the later ones are its consequences.
    fn fail(&self, reason: String) {
        self.state().failure.get_or_insert(reason);
    }

    fn mark_unflushed(&self, file: &Arc<File>) {
        if self.state().unflushed.replace(Arc::clone(file)).is_none() {
            self.unflushed.notify_one();
        }
    }

    fn flush_all(&self) {
        while let Some(file) = self.next_flush() {
            if let Err(error) = file.sync_data() {
                // What the system could not write it may have forgotten: asking again would only hide that.
                self.fail(format!("the disk did not keep the journal: {error}"));
                return;
            }
        }
    }

    /// Waits until the disk is to be asked; nothing when there will be nothing more to ask for.
    fn next_flush(&self) -> Option<Arc<File>> {
        let state = self.state();
        let wait = self.unflushed.wait_while(state, |state| state.unflushed.is_none() && !state.closing);
        let state = wait.unwrap_or_else(PoisonError::into_inner);
        let wait = self.unflushed.wait_timeout_while(state, FLUSH_AFTER, |state| !state.closing);
        let (mut state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.unflushed.take()
    }
}

/// Appends to `bytes` what stands in the file at `place` for a record.
fn push(bytes: &mut Vec<u8>, place: u64, record: &[u8]) {
    let length = u32::try_from(record.len()).expect("a record is no longer than a message");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&head_sum(place, length).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(record).to_le_bytes());
    bytes.extend_from_slice(record);
}

fn head_sum(place: u64, length: u32) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&place.to_le_bytes());
    sum.update(&length.to_le_bytes());
    sum.finalize()
}

/// The records in a file with these bytes, and where the last whole one ends.
fn read(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, u64), &'static str> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or("it is no journal of this version")?;
    let (mut held, mut place) = (Vec::new(), MAGIC.len() as u64);
    while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = word(0);
        if word(4) != head_sum(place, length) {
            return Err("what stands before a record was changed");
        }
        let Some((record, after)) = after.split_at_checked(length as usize) else { break };
        if word(8) != crc32fast::hash(record) {
            return Err("a record was changed");
        }
        held.push(record.to_vec());
        (rest, place) = (after, place + (HEAD + record.len()) as u64);
    }
    Ok((held, place))
}

/// Makes a journal of these records, in the place of what is there; the file, which stands at its end, and its length. It is made
/// under another name: a kill in the midst of it leaves no file that looks damaged.
fn write_anew(folder: &Path, records: &[Vec<u8>]) -> Result<(File, u64), JournalError> {
    let (path, new) = (folder.join(FILE), folder.join(NEW_FILE));
    let mut bytes = MAGIC.to_vec();
    for record in records {
        let place = bytes.len() as u64;
        push(&mut bytes, place, record);
    }
    let mut file =
        File::options().read(true).write(true).create(true).truncate(true).open(&new).map_err(at(&new))?;
    file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(at(&new))?;
    fs::rename(&new, &path).map_err(at(&path))?;
    Ok((file, bytes.len() as u64))
}

/// The folder, locked.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would unlock as well, but not as long as a process that another thread is just starting has its
        // copies of all that is open here.
        let _ = self.0.unlock();
    }
}

/// Makes sure that no other journal uses the folder.
fn lock(folder: &Path) -> Result<Lock, JournalError> {
    let path = folder.join(LOCK_FILE);
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(JournalError::Io { path, source }),
    }
}

/// An error of the system, with the path that it is about.
fn at(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    |source| JournalError::Io { path, source }
}

#[cfg(test)]
mod tests;
