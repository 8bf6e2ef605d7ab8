//! What a journal keeps: through kills, replacements, damage and full disks.

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
    Store::open(&path).map(|(_, held)| held)
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
        assert!(text.contains("journal is damaged (") && text.contains("move it away"), "{text}");
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
    let (Some(role), Some(folder)) = (std::env::var_os("JOURNAL_ROLE"), std::env::var_os("JOURNAL_FOLDER"))
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
    let name = |kind: &str, index| format!("{generation} {kind} {index} {}", "x".repeat(500)).into_bytes();
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
