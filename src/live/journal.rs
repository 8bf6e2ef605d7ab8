//! The durable log of one live node: what was appended and reported as synced survives `kill -9`.
//!
//! The records lie one after the other in one file, `journal`, inside the node's folder, behind a head that tells how far it
//! is written. A thread takes everything that is queued and commits it at once, so that a commit is shared by all that
//! waited for it.
//!
//! # What is promised
//!
//! *A process that dies*, at any moment and in any way, loses nothing that was reported. A commit is reported when
//! all of it has been handed to the operating system; it is the system that writes it to the disk, whether or not
//! the process still lives. This takes some µs, where waiting for a disk takes milliseconds.
//!
//! *A machine that loses its power* is another matter. A second thread asks the disk to keep what is new, about
//! once a second while there is something new, and when the journal is dropped. A cut that comes later than that
//! harms nothing. A cut before it can leave a file of which some parts are older than others. The whole file is
//! checked by its digest when it is opened, so that this is refused as [`JournalError::Damaged`] as a rule;
//! only a cut that leaves the whole state of an earlier moment cannot be told from a shorter log.
//!
//! # The file
//!
//! The head is [`MAGIC`], the length of the records, and their SHA-256; each record follows its own length. A commit is two
//! writes: the records, behind those that are there, and then the head. What a kill between the two leaves behind the
//! records is not looked at, and overwritten. What the head claims has to be there, byte for byte: so no damage passes for a
//! commit that was cut off.
//!
//! An embedded store (redb) was here before. It kept the same promise for 50 µs of processor time a commit, where this takes 2:
//! a log needs no more than to be appended to, and read once.

use std::any::Any;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// The file that holds the records.
const FILE: &str = "journal";
/// A file in the making: it is renamed when it is whole.
const NEW_FILE: &str = "journal.new";
/// Locked by the process that has the journal open; its content means nothing.
const LOCK_FILE: &str = "journal.lock";

/// How the file begins.
const MAGIC: &[u8; 16] = b"rumormill log 1\n";
/// Where its records begin: behind the magic word, their length and their digest.
const HEAD: usize = MAGIC.len() + 8 + 32;

/// How many bytes may wait to be written before the journal calls itself full. What a node published goes out all at once when
/// it is safe: more would only wait elsewhere.
const FULL: usize = 256 << 10;
/// Commits that follow each other at once come no faster than this: what comes meanwhile shares one.
const PAUSE: Duration = Duration::from_millis(10);
/// Room that is kept for the next queue, in bytes.
const KEPT: usize = 256 << 10;
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
///
/// Nothing here blocks on the disk except [`open`](Self::open) and dropping: dropping returns when everything
/// appended is written.
///
/// The queue is bounded by its owner: appending always succeeds, and whoever is asked to publish has to ask
/// [`is_full`](Self::is_full) first.
#[derive(Debug)]
pub(super) struct Journal {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    flusher: Option<JoinHandle<()>>,
    /// Held until both threads have ended.
    _lock: Lock,
}

impl Journal {
    /// Opens the journal in this folder, or creates both; gives what it holds, in order.
    ///
    /// After each commit `on_synced` is called, from a thread of the journal, with the number of records appended
    /// since `open` that are safe now. The number never falls; a commit that only replaced records repeats it. No
    /// further commit happens before `on_synced` returns, and dropping the journal waits for it.
    pub(super) fn open(
        folder: &Path,
        on_synced: impl Fn(u64) + Send + 'static,
    ) -> Result<(Journal, Vec<Vec<u8>>), JournalError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let path = folder.join(FILE);
        if !fs::exists(&path).map_err(at(&path))? {
            Store::create(&path, &[]).map_err(at(&path))?;
        }
        let (store, held) = Store::open(&path)?;

        let shared = Arc::new(Shared::default());
        let mut journal = Journal { shared, writer: None, flusher: None, _lock: lock };
        journal.start(store, on_synced).map_err(at(&path))?;
        Ok((journal, held))
    }

    fn start(&mut self, store: Store, on_synced: impl Fn(u64) + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let body = move || shared.write_all(store, &on_synced);
        self.writer = Some(thread::Builder::new().name("journal".into()).spawn(body)?);
        let shared = Arc::clone(&self.shared);
        self.flusher =
            Some(thread::Builder::new().name("journal disk".into()).spawn(move || shared.flush_all())?);
        Ok(())
    }

    /// Puts a record at the end. Returns at once; `on_synced` tells when it is safe.
    ///
    /// After a [`failure`](Self::failure) the record is discarded, and is never reported.
    pub(super) fn append(&mut self, record: impl AsRef<[u8]>) {
        self.shared.push(|queue| {
            queue.push(record.as_ref());
            queue.appended += 1;
        });
    }

    /// Replaces everything, whether written or still queued, by these records, atomically: after a kill there is the
    /// old or the new, with whatever was appended meanwhile.
    ///
    /// Returns at once. What was appended before counts as safe when the replacement is.
    pub(super) fn replace(&mut self, records: Vec<Vec<u8>>) {
        self.shared.push(|queue| {
            queue.bytes.clear();
            records.iter().for_each(|record| queue.push(record));
            queue.replaces = true;
        });
    }

    /// Whether more than 256 KiB wait to be written, or nothing will be written any more. Appending never blocks, so
    /// this is what bounds the memory: while it holds, whoever publishes must be refused.
    pub(super) fn is_full(&self) -> bool {
        let state = self.shared.state();
        state.queue.bytes.len() + state.writing > FULL || state.failure.is_some()
    }

    /// Why the journal stopped writing, if it did: the disk is full or failed, for example. From then on nothing is
    /// reported as synced. What was reported before is safe; open the journal anew once the cause is removed.
    pub(super) fn failure(&self) -> Option<String> {
        self.shared.state().failure.clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.work.notify_all();
        join(self.writer.take());
        // Only now: the last flush must come after the last write.
        self.shared.state().written = true;
        self.shared.unflushed.notify_all();
        join(self.flusher.take());
    }
}

/// Waits for the end of a thread. Both keep panics to themselves, so that there is nothing to pass on.
fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        let _ = thread.join();
    }
}

/// What is written at once.
#[derive(Debug, Default)]
struct Group {
    /// Records, each behind its length.
    bytes: Vec<u8>,
    /// How many were appended, those included that a replacement made superfluous.
    appended: u64,
    /// Whether it takes the place of all that was written before.
    replaces: bool,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.appended == 0 && !self.replaces
    }

    fn push(&mut self, record: &[u8]) {
        let length = u32::try_from(record.len()).expect("no record is so long");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(record);
    }
}

/// What the owner and the two threads share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is work, or there will be no more.
    work: Condvar,
    /// There is something that the disk does not have, or there will be no more.
    unflushed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: Group,
    /// The size of what is being written.
    writing: usize,
    /// Room for the next queue.
    room: Vec<u8>,
    /// The owner will append no more.
    closing: bool,
    /// What was written since the disk was last asked to keep everything.
    unflushed: Option<Arc<File>>,
    /// The writer has ended.
    written: bool,
    failure: Option<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans a point at which a holder could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something into the queue.
    fn push(&self, enter: impl FnOnce(&mut Group)) {
        let mut state = self.state();
        if state.failure.is_some() {
            return;
        }
        let was_empty = state.queue.is_empty();
        enter(&mut state.queue);
        // Whoever finds a queue that is not empty knows that the writer has been woken.
        if was_empty {
            drop(state);
            self.work.notify_one();
        }
    }

    /// The first failure stays: the later ones are its consequences.
    fn fail(&self, reason: String) {
        let mut state = self.state();
        state.failure.get_or_insert(reason);
        state.queue = Group::default();
        state.writing = 0;
    }

    /// The writer's thread.
    fn write_all(&self, mut store: Store, on_synced: &dyn Fn(u64)) {
        let result = catch_unwind(AssertUnwindSafe(|| self.write_groups(&mut store, on_synced)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(format!("the journal cannot be written: {error}")),
            Err(panic) => self.fail(format!("the journal's thread panicked: {}", panic_text(&*panic))),
        }
    }

    fn write_groups(&self, store: &mut Store, on_synced: &dyn Fn(u64)) -> io::Result<()> {
        let (mut synced, mut pause_ends) = (0, Instant::now());
        while let Some(group) = self.next_group(pause_ends) {
            store.commit(&group)?;
            pause_ends = Instant::now() + PAUSE;
            self.mark_unflushed(&store.file);
            synced += group.appended;
            if !self.settle(group) {
                break;
            }
            on_synced(synced);
        }
        Ok(())
    }

    /// Takes a written group off the account; false if the disk has failed meanwhile: it must not be reported then.
    fn settle(&self, mut group: Group) -> bool {
        let mut state = self.state();
        state.writing = 0;
        if group.bytes.capacity() <= KEPT {
            group.bytes.clear();
            state.room = group.bytes;
        }
        state.failure.is_none()
    }

    /// Everything that is queued, as soon as there is something and the pause is over; nothing when there will be no more.
    fn next_group(&self, pause_ends: Instant) -> Option<Group> {
        let state = self.state();
        let wait = self.work.wait_while(state, |state| state.queue.is_empty() && !state.closing);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner);
        let pause = pause_ends.saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            let wait = self.work.wait_timeout_while(state, pause, |state| !state.closing);
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = mem::take(&mut state.room);
        let group = mem::replace(&mut state.queue, Group { bytes, ..Group::default() });
        state.writing = group.bytes.len();
        (!group.is_empty()).then_some(group)
    }

    fn mark_unflushed(&self, file: &Arc<File>) {
        if self.state().unflushed.replace(Arc::clone(file)).is_none() {
            self.unflushed.notify_one();
        }
    }

    /// The thread that asks the disk. It is not the writer's, since a disk may take a quarter of a second.
    fn flush_all(&self) {
        while let Some(file) = self.next_flush() {
            if let Err(error) = file.sync_data() {
                // What the system could not write it may have forgotten: asking again would only hide that.
                self.fail(format!("the disk did not keep the journal: {error}"));
                return;
            }
        }
    }

    /// Waits until the disk is to be asked; nothing when there is nothing more to ask for.
    fn next_flush(&self) -> Option<Arc<File>> {
        let state = self.state();
        let wait = self.unflushed.wait_while(state, |state| state.unflushed.is_none() && !state.written);
        let state = wait.unwrap_or_else(PoisonError::into_inner);
        let wait = self.unflushed.wait_timeout_while(state, FLUSH_AFTER, |state| !state.written);
        let (mut state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.unflushed.take()
    }
}

/// The file.
struct Store {
    path: PathBuf,
    file: Arc<File>,
    /// Of all records, with their lengths.
    length: u64,
    digest: Sha256,
}

impl Store {
    /// Opens a file that exists, after a check of all of it; gives its records, in order.
    fn open(path: &Path) -> Result<(Store, Vec<Vec<u8>>), JournalError> {
        let damaged =
            |reason: &str| JournalError::Damaged { file: path.to_owned(), reason: reason.to_owned() };
        let file = File::options().read(true).write(true).open(path).map_err(at(path))?;
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).map_err(at(path))?;
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
            return Err(damaged("it is too short"));
        };
        if !head.starts_with(MAGIC) {
            return Err(damaged("it does not begin as a journal of this version does"));
        }
        let (length, digest) = head[MAGIC.len()..].split_first_chunk::<8>().expect("the head is longer");
        let length = u64::from_le_bytes(*length);
        let Some(records) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else {
            return Err(damaged("its end is missing"));
        };
        let sum = Sha256::new().chain_update(records);
        if sum.clone().finalize()[..] != *digest {
            return Err(damaged("its records are not those that were written"));
        }
        let held = cut(records).ok_or_else(|| damaged("a record is cut off"))?;
        Ok((Store { path: path.to_owned(), file: Arc::new(file), length, digest: sum }, held))
    }

    /// Makes a file with these records in the place of the one that is there, if any. It is made under another name: a kill
    /// in the midst of it leaves no file that looks damaged.
    fn create(path: &Path, records: &[u8]) -> io::Result<Store> {
        let new = path.with_file_name(NEW_FILE);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&new)?;
        let (path, file) = (path.to_owned(), Arc::new(file));
        let mut store = Store { path, file, length: 0, digest: Sha256::new() };
        store.write(records)?;
        store.file.sync_data()?;
        fs::rename(&new, &store.path)?;
        Ok(store)
    }

    /// Writes all of a group, or nothing of it.
    fn commit(&mut self, group: &Group) -> io::Result<()> {
        if group.replaces {
            *self = Store::create(&self.path, &group.bytes)?;
            return Ok(());
        }
        self.write(&group.bytes)
    }

    /// Puts records at the end.
    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(HEAD as u64 + self.length))?;
        file.write_all(records)?;
        self.length += records.len() as u64;
        self.digest.update(records);
        let mut head = [0; HEAD];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[MAGIC.len()..][..8].copy_from_slice(&self.length.to_le_bytes());
        head[MAGIC.len() + 8..].copy_from_slice(&self.digest.clone().finalize());
        // From here on they count. (Within one page: no kill cuts it in two.)
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&head)
    }
}

/// The records that were pushed one after the other.
fn cut(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        records.push(record.to_vec());
        bytes = rest;
    }
    Some(records)
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

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".to_owned())
}

#[cfg(test)]
mod tests;
