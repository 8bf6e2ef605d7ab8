//! The durable log of one live node: what was appended and reported as synced survives `kill -9`.
//!
//! The records lie in one [redb](https://docs.rs/redb) file, `journal.redb`, inside the node's folder. A thread takes
//! everything that is queued and commits it in one transaction, so that a commit is shared by all that waited for it.
//!
//! # What is promised
//!
//! *A process that dies*, at any moment and in any way, loses nothing that was reported. A commit is reported when
//! all of it has been handed to the operating system; it is the system that writes it to the disk, whether or not
//! the process still lives. This takes 50 to 250 µs, where waiting for a disk takes milliseconds.
//!
//! *A machine that loses its power* is another matter. A second thread asks the disk to keep what is new, about
//! once a second while there is something new, and when the journal is dropped. A cut that comes later than that
//! harms nothing. A cut before it can leave a file of which some parts are older than others. The whole file is
//! checked by its checksums when it is opened, so that this is refused as [`JournalError::Damaged`] as a rule;
//! only a cut that leaves the whole state of an earlier moment cannot be told from a shorter log.
//!
//! # Why commits have two phases
//!
//! A commit in one phase writes data and root at once, and a root whose data do not fit it is taken for a commit that
//! was cut off: a damaged last commit would silently be left out. In two phases the root follows its data, so that a
//! root without its data is damage, and is reported. Without waiting for the disk the second phase costs one small
//! write.

use std::any::Any;
use std::fs::{self, File, TryLockError};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::time::Instant;

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError};

/// The file that holds the records.
const FILE: &str = "journal.redb";
/// A file in the making: it is renamed when it is whole.
const NEW_FILE: &str = "journal.redb.new";
/// Locked by the process that has the journal open; its content means nothing.
const LOCK_FILE: &str = "journal.lock";

/// All records, by their positions from 0.
const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");

/// How many bytes may wait to be written before the journal calls itself full. What a node published goes out all at once when
/// it is safe: more would only wait elsewhere.
const FULL: usize = 256 << 10;
/// Commits follow each other no faster than this: what comes meanwhile shares one.
const PAUSE: Duration = Duration::from_millis(10);
/// How much of the file redb may keep in memory. A log is read once, at the start: a cache has little to gain.
const CACHE: usize = 1 << 20;
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
    /// The store refuses the file for another reason, or a thread could not be started.
    #[error("cannot open {}: {reason}", file.display())]
    Store {
        /// The file.
        file: PathBuf,
        /// What the store said.
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
        create(folder, &path)?;
        let file = File::options().read(true).write(true).open(&path).map_err(at(&path))?;
        let for_disk = file.try_clone().map_err(at(&path))?;
        let (store, held) = guarded(&path, || Store::open(file))?;

        let shared = Arc::new(Shared::default());
        let mut journal = Journal { shared, writer: None, flusher: None, _lock: lock };
        journal.start(store, for_disk, on_synced).map_err(at(&path))?;
        Ok((journal, held))
    }

    fn start(
        &mut self,
        store: Store,
        file: File,
        on_synced: impl Fn(u64) + Send + 'static,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let body = move || shared.write_all(store, &on_synced);
        self.writer = Some(thread::Builder::new().name("journal".into()).spawn(body)?);
        let shared = Arc::clone(&self.shared);
        self.flusher =
            Some(thread::Builder::new().name("journal disk".into()).spawn(move || shared.flush_all(&file))?);
        Ok(())
    }

    /// Puts a record at the end. Returns at once; `on_synced` tells when it is safe.
    ///
    /// After a [`failure`](Self::failure) the record is discarded, and is never reported.
    pub(super) fn append(&mut self, record: Vec<u8>) {
        self.shared.push(Work::Append(record));
    }

    /// Replaces everything, whether written or still queued, by these records, atomically: after a kill there is the
    /// old or the new, with whatever was appended meanwhile.
    ///
    /// Returns at once. What was appended before counts as safe when the replacement is.
    pub(super) fn replace(&mut self, records: Vec<Vec<u8>>) {
        self.shared.push(Work::Replace(records));
    }

    /// Whether more than 256 KiB wait to be written, or nothing will be written any more. Appending never blocks, so
    /// this is what bounds the memory: while it holds, whoever publishes must be refused.
    pub(super) fn is_full(&self) -> bool {
        let state = self.shared.state();
        state.waiting > FULL || state.failure.is_some()
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

/// What waits to be written.
#[derive(Debug)]
enum Work {
    Append(Vec<u8>),
    Replace(Vec<Vec<u8>>),
}

impl Work {
    /// The memory that it takes, roughly.
    fn size(&self) -> usize {
        let payload = match self {
            Work::Append(record) => record.len(),
            Work::Replace(records) => records.iter().map(|record| record.len() + size_of::<Vec<u8>>()).sum(),
        };
        payload + size_of::<Work>()
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
    queue: Vec<Work>,
    /// The size of the queue and of what is being written.
    waiting: usize,
    /// The owner will append no more.
    closing: bool,
    /// Something was written since the disk was last asked to keep everything.
    unflushed: bool,
    /// The writer has ended.
    written: bool,
    failure: Option<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans a point at which a holder could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, work: Work) {
        let mut state = self.state();
        if state.failure.is_some() {
            return;
        }
        state.waiting += work.size();
        state.queue.push(work);
        // Whoever finds a queue that is not empty knows that the writer has been woken.
        if state.queue.len() == 1 {
            drop(state);
            self.work.notify_one();
        }
    }

    /// The first failure stays: the later ones are its consequences.
    fn fail(&self, reason: String) {
        let mut state = self.state();
        state.failure.get_or_insert(reason);
        state.queue = Vec::new();
        state.waiting = 0;
    }

    /// The writer's thread.
    fn write_all(&self, mut store: Store, on_synced: &dyn Fn(u64)) {
        let result = catch_unwind(AssertUnwindSafe(|| self.write_groups(&mut store, on_synced)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(format!("the journal cannot be written: {error}")),
            Err(panic) => self.fail(format!("the journal's thread panicked: {}", panic_text(&*panic))),
        }
        // Closing writes as well, and after a failure it may find a store in any condition.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(store))) {
            self.fail(format!("the journal panicked when it was closed: {}", panic_text(&*panic)));
        }
        self.mark_unflushed();
    }

    fn write_groups(&self, store: &mut Store, on_synced: &dyn Fn(u64)) -> Result<(), Box<redb::Error>> {
        let (mut synced, mut pause_ends) = (0, Instant::now());
        while let Some(group) = self.next_group(pause_ends) {
            store.commit(&group)?;
            pause_ends = Instant::now() + PAUSE;
            self.mark_unflushed();
            if !self.settle(&group) {
                break;
            }
            synced += group.iter().filter(|work| matches!(work, Work::Append(_))).count() as u64;
            on_synced(synced);
        }
        Ok(())
    }

    /// Takes a written group off the account; false if the disk has failed meanwhile: it must not be reported then.
    fn settle(&self, group: &[Work]) -> bool {
        let mut state = self.state();
        // (After a failure the account is already empty.)
        state.waiting = state.waiting.saturating_sub(group.iter().map(Work::size).sum());
        state.failure.is_none()
    }

    /// Everything that is queued, as soon as there is something and the pause is over; nothing when there will be no more.
    fn next_group(&self, pause_ends: Instant) -> Option<Vec<Work>> {
        let state = self.state();
        let wait = self.work.wait_while(state, |state| state.queue.is_empty() && !state.closing);
        let state = wait.unwrap_or_else(PoisonError::into_inner);
        let pause = pause_ends.saturating_duration_since(Instant::now());
        let wait = self.work.wait_timeout_while(state, pause, |state| !state.closing);
        let (mut state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        let group = mem::take(&mut state.queue);
        (!group.is_empty()).then_some(group)
    }

    fn mark_unflushed(&self) {
        if !mem::replace(&mut self.state().unflushed, true) {
            self.unflushed.notify_one();
        }
    }

    /// The thread that asks the disk. It is not the writer's, since a disk may take a quarter of a second.
    fn flush_all(&self, file: &File) {
        while self.next_flush() {
            if let Err(error) = file.sync_data() {
                // What the system could not write it may have forgotten: asking again would only hide that.
                self.fail(format!("the disk did not keep the journal: {error}"));
                return;
            }
        }
    }

    /// Waits until the disk is to be asked; false when there is nothing more to ask for.
    fn next_flush(&self) -> bool {
        let state = self.state();
        let wait = self.unflushed.wait_while(state, |state| !state.unflushed && !state.written);
        let state = wait.unwrap_or_else(PoisonError::into_inner);
        let wait = self.unflushed.wait_timeout_while(state, FLUSH_AFTER, |state| !state.written);
        let (mut state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut state.unflushed)
    }
}

/// The file, as redb keeps it.
struct Store {
    database: Database,
    /// The position of the next record appended.
    next: u64,
}

impl Store {
    /// Opens a file that exists, after a check of all of it; gives its records, in order.
    fn open(file: File) -> Result<(Store, Vec<Vec<u8>>), Box<redb::Error>> {
        // redb would take an empty file for a new one; ours is never empty, since it is made under another name.
        if file.metadata().map_err(boxed)?.len() == 0 {
            return Err(Box::new(redb::Error::Corrupted("it is empty".to_owned())));
        }
        let mut store = Store { database: open_database(file)?, next: 0 };
        let held = store.read()?;
        Ok((store, held))
    }

    fn read(&mut self) -> Result<Vec<Vec<u8>>, Box<redb::Error>> {
        let mut held = Vec::new();
        let table = match self.database.begin_read().map_err(boxed)?.open_table(RECORDS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(held),
            Err(error) => return Err(boxed(error)),
        };
        for entry in table.iter().map_err(boxed)? {
            let (position, record) = entry.map_err(boxed)?;
            if position.value() != self.next {
                return Err(Box::new(redb::Error::Corrupted(format!("there is no record {}", self.next))));
            }
            self.next += 1;
            held.push(record.value().to_vec());
        }
        Ok(held)
    }

    /// Writes all of a group, or nothing of it.
    fn commit(&mut self, group: &[Work]) -> Result<(), Box<redb::Error>> {
        let mut transaction = self.database.begin_write().map_err(boxed)?;
        transaction.set_two_phase_commit(true);
        // What stands before a replacement need not be written at all.
        let start = group.iter().rposition(|work| matches!(work, Work::Replace(_))).unwrap_or(0);
        if matches!(group.get(start), Some(Work::Replace(_))) {
            transaction.delete_table(RECORDS).map_err(boxed)?;
        }
        let mut table = transaction.open_table(RECORDS).map_err(boxed)?;
        for work in &group[start..] {
            match work {
                Work::Append(record) => {
                    table.insert(self.next, record.as_slice()).map_err(boxed)?;
                    self.next += 1;
                }
                Work::Replace(records) => {
                    self.next = records.len() as u64;
                    for (position, record) in (0..).zip(records) {
                        table.insert(position, record.as_slice()).map_err(boxed)?;
                    }
                }
            }
        }
        drop(table);
        transaction.commit().map_err(boxed)
    }
}

/// A redb error of any kind. (Boxed, since it is large.)
fn boxed(error: impl Into<redb::Error>) -> Box<redb::Error> {
    Box::new(error.into())
}

fn open_database(file: File) -> Result<Database, Box<redb::Error>> {
    let backend = WriteThrough(FileBackend::new(file).map_err(boxed)?);
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder.create_with_backend(backend).map_err(boxed)
}

/// A file whose writes reach the operating system, in order, but are not waited for until the disk has them: this is
/// what survives the death of the process. (Locks are not passed on: the journal has a lock of its own.)
#[derive(Debug)]
struct WriteThrough(FileBackend);

impl StorageBackend for WriteThrough {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.0.close()
    }
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

/// Makes an empty journal if there is none. It is made under another name: a kill in the midst of it leaves no
/// file that looks damaged.
fn create(folder: &Path, path: &Path) -> Result<(), JournalError> {
    if fs::exists(path).map_err(at(path))? {
        return Ok(());
    }
    let new = folder.join(NEW_FILE);
    let file =
        File::options().read(true).write(true).create(true).truncate(true).open(&new).map_err(at(&new))?;
    let for_disk = file.try_clone().map_err(at(&new))?;
    guarded(&new, || open_database(file).map(drop))?;
    for_disk.sync_data().map_err(at(&new))?;
    fs::rename(&new, path).map_err(at(path))
}

/// Calls redb, which may panic on a file that others have changed (in debug builds it has assertions about that).
fn guarded<T>(file: &Path, call: impl FnOnce() -> Result<T, Box<redb::Error>>) -> Result<T, JournalError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| refused(file, &error)),
        Err(panic) => Err(JournalError::Damaged { file: file.to_owned(), reason: panic_text(&*panic) }),
    }
}

fn refused(file: &Path, error: &redb::Error) -> JournalError {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    let damaged = match error {
        redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. } => true,
        redb::Error::Io(error) => matches!(error.kind(), InvalidData | UnexpectedEof),
        _ => false,
    };
    let (file, reason) = (file.to_owned(), error.to_string());
    if damaged { JournalError::Damaged { file, reason } } else { JournalError::Store { file, reason } }
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
