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

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError};

/// The file that holds the records.
const FILE: &str = "journal.redb";
/// A file in the making: it is renamed when it is whole.
const NEW_FILE: &str = "journal.redb.new";
/// Locked by the process that has the journal open; its content means nothing.
const LOCK_FILE: &str = "journal.lock";

/// All records. The keys are positions: of those that a replacement put, from 0; of those appended since, from
/// [`FIRST_APPENDED`]. So it is known after a restart, too, how much was appended since the last replacement.
const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
/// The position of the first record that was appended, rather than put by a replacement.
const FIRST_APPENDED: u64 = 1 << 63;

/// How many bytes may wait to be written before the journal calls itself full.
const FULL: usize = 4 << 20;
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

    /// Whether more than 4 MiB wait to be written, or nothing will be written any more. Appending never blocks, so
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
        let mut synced = 0;
        while let Some(group) = self.next_group() {
            store.commit(&group)?;
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

    /// Everything that is queued, as soon as there is something; nothing when there will be no more.
    fn next_group(&self) -> Option<Vec<Work>> {
        let state = self.state();
        let wait = self.work.wait_while(state, |state| state.queue.is_empty() && !state.closing);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner);
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
        let mut store = Store { database: open_database(file)?, next: FIRST_APPENDED };
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
        let mut expected = 0;
        for entry in table.iter().map_err(boxed)? {
            let (position, record) = entry.map_err(boxed)?;
            if position.value() >= FIRST_APPENDED {
                expected = expected.max(FIRST_APPENDED);
                self.next = position.value() + 1;
            }
            if position.value() != expected {
                return Err(Box::new(redb::Error::Corrupted(format!("there is no record {expected}"))));
            }
            expected += 1;
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
                    self.next = FIRST_APPENDED;
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
mod tests {
    use std::hash::{BuildHasher, RandomState};
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A folder of its own, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("journal-test-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            Folder(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn open(folder: &Folder) -> (Journal, Vec<Vec<u8>>, Receiver<u64>) {
        let (sender, synced) = channel();
        let (journal, held) = Journal::open(&folder.0, move |count| {
            let _ = sender.send(count);
        })
        .unwrap();
        (journal, held, synced)
    }

    fn held(folder: &Folder) -> Vec<Vec<u8>> {
        open(folder).1
    }

    /// The record at a position: its length and bytes depend on it.
    fn record(position: u64) -> Vec<u8> {
        let mut record = position.to_string().into_bytes();
        record.resize(record.len() + (position * 7919 % 1500) as usize, position as u8);
        record
    }

    fn records(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
        range.map(record).collect()
    }

    /// Another number at each call.
    fn random(below: u64) -> u64 {
        RandomState::new().hash_one(0) % below
    }

    /// Lets some time pass, another one at each call.
    fn dally(turns: u64) {
        for turn in 0..random(turns) {
            std::hint::black_box(turn);
        }
    }

    #[test]
    fn records_survive_in_order_and_dropping_writes_them() {
        let folder = Folder::new("order");
        let mut expected: Vec<Vec<u8>> = Vec::new();
        for run in 0..4_u64 {
            let (mut journal, found, _synced) = open(&folder);
            assert_eq!(found, expected);
            let new = [records(run * 300..run * 300 + 300), vec![Vec::new(), vec![7; 1 << 20]]].concat();
            new.iter().cloned().for_each(|record| journal.append(record));
            expected.extend(new);
        }
        assert_eq!(held(&folder), expected);
    }

    #[test]
    fn what_is_safe_is_reported_in_order() {
        let folder = Folder::new("report");
        let (mut journal, _, synced) = open(&folder);
        records(0..1000).into_iter().for_each(|record| journal.append(record));
        let mut last = 0;
        while last < 1000 {
            let count = synced.recv().unwrap();
            assert!(last < count && count <= 1000);
            last = count;
        }
        assert_eq!(journal.failure(), None);
        drop(journal);
        assert_eq!(synced.recv().ok(), None, "a commit without work");
    }

    #[test]
    fn a_replacement_takes_the_place_of_what_is_written_and_of_what_is_queued() {
        let folder = Folder::new("replace");
        let (mut journal, _, synced) = open(&folder);
        journal.append(record(0));
        assert_eq!(synced.recv(), Ok(1));
        records(1..50).into_iter().for_each(|record| journal.append(record));
        journal.replace(records(100..103));
        journal.append(record(200));
        assert_eq!(synced.iter().find(|count| *count == 51), Some(51));
        drop(journal);

        let (mut journal, found, synced) = open(&folder);
        assert_eq!(found, [records(100..103), records(200..201)].concat());
        journal.replace(Vec::new());
        assert_eq!(synced.recv(), Ok(0));
        drop(journal);
        assert_eq!(held(&folder), records(0..0));
    }

    #[test]
    fn replacing_again_and_again_does_not_make_the_file_grow() {
        let folder = Folder::new("growth");
        let (mut journal, _, synced) = open(&folder);
        for round in 1..=50 {
            records(0..200).into_iter().for_each(|record| journal.append(record));
            journal.replace(records(0..100));
            assert!(synced.iter().any(|count| count == round * 200));
        }
        drop(journal);
        let size = fs::metadata(folder.0.join(FILE)).unwrap().len();
        assert!(size < 2_000_000, "{size} bytes for 75 kB of records");
    }

    #[test]
    fn a_journal_is_full_until_its_queue_is_written() {
        let folder = Folder::new("full");
        let (go, wait) = channel::<()>();
        let (sender, synced) = channel();
        let on_synced = move |count| {
            let _ = sender.send(count);
            let _ = wait.recv();
        };
        let (mut journal, _) = Journal::open(&folder.0, on_synced).unwrap();
        journal.append(Vec::new());
        assert_eq!(synced.recv(), Ok(1));
        (0..64).for_each(|_| journal.append(vec![0; FULL / 64]));
        assert!(journal.is_full());
        go.send(()).unwrap();
        assert_eq!(synced.recv(), Ok(65));
        assert!(!journal.is_full());
        drop(go);
    }

    #[test]
    fn a_panic_of_the_owner_is_a_failure() {
        let folder = Folder::new("panic");
        let (sender, ended) = channel::<()>();
        let on_synced = move |_| {
            // Dropped while the panic unwinds.
            let _sender = &sender;
            panic!("oh dear");
        };
        let (mut journal, _) = Journal::open(&folder.0, on_synced).unwrap();
        journal.append(record(0));
        assert!(ended.recv().is_err());
        // The callback is dropped with the thread's last variables, after the failure was noted.
        assert_eq!(journal.failure().as_deref(), Some("the journal's thread panicked: oh dear"));
        assert!(journal.is_full());
        journal.append(record(1));
        drop(journal);
        assert_eq!(held(&folder), records(0..1));
    }

    #[test]
    fn two_journals_do_not_share_a_folder() {
        let folder = Folder::new("two");
        let first = open(&folder);
        let error = Journal::open(&folder.0, |_| {}).unwrap_err();
        assert!(matches!(&error, JournalError::InUse { folder: named } if *named == folder.0), "{error}");
        assert!(error.to_string().contains("is in use: another node runs on it"), "{error}");
        drop(first);

        let mut child = Process::start(&folder, "append");
        child.next_report().unwrap();
        assert!(matches!(Journal::open(&folder.0, |_| {}), Err(JournalError::InUse { .. })));
        child.kill();
        drop(open(&folder));
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let folder = Folder::new("unusable");
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join("file"), "").unwrap();
        let inside = folder.0.join("file").join("node");
        let error = Journal::open(&inside, |_| {}).unwrap_err();
        assert!(matches!(&error, JournalError::Io { path, .. } if *path == inside), "{error}");

        fs::create_dir_all(folder.0.join("node").join(FILE)).unwrap();
        let error = Journal::open(&folder.0.join("node"), |_| {}).unwrap_err();
        assert!(matches!(&error, JournalError::Io { path, .. } if path.ends_with(FILE)), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_without_permission_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("permission");
        fs::create_dir_all(&folder.0).unwrap();
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o555)).unwrap();
        match Journal::open(&folder.0, |_| {}) {
            // Whoever is allowed everything is not refused.
            Ok(_) => {}
            Err(error) => assert!(error.to_string().starts_with("cannot use "), "{error}"),
        }
    }

    /// What a file with these contents is opened to, by a copy of it.
    fn opened(folder: &Folder, contents: &[u8]) -> Result<Vec<Vec<u8>>, JournalError> {
        let path = folder.0.join("copy");
        fs::write(&path, contents).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        guarded(&path, || Store::open(file)).map(|(_, held)| held)
    }

    fn assert_damage_is_found(folder: &Folder, expected: &[Vec<u8>]) {
        let good = fs::read(folder.0.join(FILE)).unwrap();
        assert_eq!(opened(folder, &good).unwrap(), expected);
        let mut found = 0;
        for place in (0..good.len()).step_by(211).chain(0..320) {
            let mut bad = good.clone();
            bad[place] ^= 0x5a;
            match opened(folder, &bad) {
                // Not every byte of the file is in use.
                Ok(held) => assert_eq!(held, expected, "byte {place}"),
                Err(JournalError::Damaged { .. }) => found += 1,
                Err(error) => panic!("byte {place}: {error}"),
            }
        }
        assert!(found > 100, "{found}");
        for length in (0..good.len()).step_by(4999) {
            match opened(folder, &good[..length]) {
                Ok(held) => assert_eq!(held, expected, "length {length}"),
                Err(error) => {
                    assert!(matches!(error, JournalError::Damaged { .. }), "length {length}: {error}")
                }
            }
        }
    }

    #[test]
    fn damage_is_found_after_an_orderly_end() {
        let folder = Folder::new("damage");
        let (mut journal, _, _synced) = open(&folder);
        records(0..100).into_iter().for_each(|record| journal.append(record));
        drop(journal);
        assert_damage_is_found(&folder, &records(0..100));
    }

    #[test]
    fn damage_is_found_after_a_kill() {
        let folder = Folder::new("damage-kill");
        let mut child = Process::start(&folder, "append");
        while child.next_report().unwrap() < 50 {}
        child.kill();
        // (Copied before the first opening, which repairs.)
        let killed = fs::read(folder.0.join(FILE)).unwrap();
        let expected = held(&folder);
        fs::write(folder.0.join(FILE), killed).unwrap();
        assert_damage_is_found(&folder, &expected);
    }

    #[test]
    fn a_damaged_file_is_named_with_a_remedy() {
        let folder = Folder::new("damage-name");
        drop(open(&folder));
        for contents in ["", "x", &"not a journal ".repeat(10_000)] {
            fs::write(folder.0.join(FILE), contents).unwrap();
            let error = Journal::open(&folder.0, |_| {}).unwrap_err();
            assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("journal.redb is damaged (") && text.contains("move it away"), "{text}");
        }
        fs::remove_file(folder.0.join(FILE)).unwrap();
        assert_eq!(held(&folder), records(0..0));
    }

    /// A child that runs one of the `roles` below, and reports on its standard error.
    struct Process {
        child: Child,
        reports: BufReader<std::process::ChildStderr>,
    }

    impl Process {
        fn start(folder: &Folder, role: &str) -> Process {
            Process::run(Command::new(std::env::current_exe().unwrap()), folder, role)
        }

        fn run(mut command: Command, folder: &Folder, role: &str) -> Process {
            // (The name of a test begins below the crate.)
            let (_, module) = module_path!().split_once("::").unwrap();
            command.args(["--ignored", "--exact", &format!("{module}::roles")]);
            command.env("JOURNAL_ROLE", role).env("JOURNAL_FOLDER", &folder.0);
            let mut child =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let reports = BufReader::new(child.stderr.take().unwrap());
            Process { child, reports }
        }

        /// The next whole line, as a number.
        fn next_report(&mut self) -> Option<u64> {
            self.next_line()?.parse().ok()
        }

        fn next_line(&mut self) -> Option<String> {
            let mut line = String::new();
            self.reports.read_line(&mut line).unwrap();
            line.strip_suffix('\n').map(str::to_owned)
        }

        /// Kills it with SIGKILL; gives the last number that it reported before.
        fn kill(&mut self) -> Option<u64> {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            let mut last = None;
            while let Some(report) = self.next_report() {
                last = Some(report);
            }
            last
        }

        /// Kills it at a random moment after its first report; gives the last one.
        fn kill_at_random(&mut self) -> u64 {
            let mut last = None;
            for _ in 0..=random(60) {
                last = self.next_report().or(last);
            }
            dally(5_000_000);
            self.kill().or(last).expect("the child ended early")
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn report(what: impl std::fmt::Display) {
        let _ = io::stderr().write_all(format!("{what}\n").as_bytes());
    }

    #[test]
    #[ignore = "run by other tests, in a process of its own"]
    fn roles() {
        let (Some(role), Some(folder)) =
            (std::env::var_os("JOURNAL_ROLE"), std::env::var_os("JOURNAL_FOLDER"))
        else {
            return;
        };
        match role.to_str() {
            Some("append") => append_on_and_on(Path::new(&folder)),
            Some("replace") => replace_on_and_on(Path::new(&folder)),
            Some("fill") => fill(Path::new(&folder)),
            _ => panic!("no such role"),
        }
    }

    /// Reports how many records the journal holds for certain. (It ends some time, should nobody kill it.)
    fn append_on_and_on(folder: &Path) {
        let (sender, synced) = channel();
        let on_synced = move |count| {
            let _ = sender.send(count);
        };
        let (mut journal, held) = Journal::open(folder, on_synced).unwrap();
        let start = held.len() as u64;
        report(start);
        let mut appended = 0;
        while appended < 100_000 {
            let burst = 1 + random(40);
            records(start + appended..start + appended + burst)
                .into_iter()
                .for_each(|record| journal.append(record));
            appended += burst;
            // Sometimes all of it is waited for, sometimes the queue is long.
            let wanted = appended.saturating_sub(random(40));
            for count in synced.iter() {
                report(start + count);
                if count >= wanted {
                    break;
                }
            }
        }
    }

    /// The records of a generation: those that the replacement puts, and those that are appended to it.
    fn generation(generation: u64) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let name =
            |kind: &str, index| format!("{generation} {kind} {index} {}", "x".repeat(500)).into_bytes();
        let put = (0..20 + generation * 31 % 100).map(|index| name("put", index)).collect();
        (put, (0..10).map(|index| name("appended", index)).collect())
    }

    fn generation_of(held: &[Vec<u8>]) -> u64 {
        let Some(first) = held.first() else { return 0 };
        std::str::from_utf8(first).unwrap().split(' ').next().unwrap().parse().unwrap()
    }

    /// Reports each generation when all of it is safe. The next one is queued by then: a kill finds the writer at
    /// work.
    fn replace_on_and_on(folder: &Path) {
        let (sender, synced) = channel();
        let on_synced = move |count| {
            let _ = sender.send(count);
        };
        let (mut journal, held) = Journal::open(folder, on_synced).unwrap();
        let start = generation_of(&held);
        report(start);
        let mut count = 0;
        for number in start + 1..start + 5000 {
            let (put, appended) = generation(number);
            let before = count;
            count += appended.len() as u64;
            journal.replace(put);
            appended.into_iter().for_each(|record| journal.append(record));
            synced.iter().find(|synced| *synced >= before);
            report(number - 1);
        }
    }

    /// Appends until the journal fails; reports how many records are safe, and why it failed.
    fn fill(folder: &Path) {
        let (sender, synced) = channel();
        let on_synced = move |count| {
            report(count);
            let _ = sender.send(count);
        };
        let (mut journal, _) = Journal::open(folder, on_synced).unwrap();
        for position in 0.. {
            journal.append(record(position));
            if synced.recv().is_err() {
                // The writer has ended.
                break;
            }
        }
        report(journal.failure().unwrap());
    }

    #[test]
    fn what_was_reported_survives_kills() {
        let folder = Folder::new("kill-append");
        for round in 0..20 {
            let reported = Process::start(&folder, "append").kill_at_random();
            let held = held(&folder);
            assert!(held.len() as u64 >= reported, "round {round}: {reported} reported, {} held", held.len());
            assert_eq!(held, records(0..held.len() as u64), "round {round}");
        }
    }

    #[test]
    fn a_replacement_is_whole_or_absent_after_kills() {
        let folder = Folder::new("kill-replace");
        for round in 0..20 {
            let reported = Process::start(&folder, "replace").kill_at_random();
            let held = held(&folder);
            let number = generation_of(&held);
            assert!(number >= reported, "round {round}: {reported} reported, {number} held");
            if number > 0 {
                let (put, appended) = generation(number);
                let (held_put, held_appended) = held.split_at(put.len());
                assert_eq!(held_put, put, "round {round}");
                assert!(appended.starts_with(held_appended), "round {round}");
                assert!(number > reported || held_appended == appended, "round {round}");
            }
        }
    }

    #[test]
    fn a_kill_while_the_journal_is_made_does_no_harm() {
        for _ in 0..20 {
            let folder = Folder::new("kill-create");
            let mut child = Process::start(&folder, "append");
            while !fs::exists(folder.0.join(LOCK_FILE)).unwrap() {
                thread::yield_now();
            }
            dally(3_000_000);
            child.kill();
            let held = held(&folder);
            assert_eq!(held, records(0..held.len() as u64));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_full_disk_is_a_failure_that_loses_nothing_reported() {
        let folder = Folder::new("disk-full");
        // The shell limits the size of files; a write beyond it fails, as on a full disk, instead of killing.
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap());
        let mut child = Process::run(command, &folder, "fill");
        let (mut reported, mut failure) = (0, String::new());
        while let Some(line) = child.next_line() {
            match line.parse() {
                Ok(count) => reported = count,
                Err(_) => failure = line,
            }
        }
        assert!(child.child.wait().unwrap().success());
        assert!(failure.starts_with("the journal cannot be written: "), "{failure}");
        let held = held(&folder);
        assert!(reported > 0 && held.len() as u64 >= reported, "{reported} reported, {} held", held.len());
        assert_eq!(held, records(0..held.len() as u64));
    }
}
