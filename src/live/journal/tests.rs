//! What a journal keeps: through kills, replacements, damage and full disks.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

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

fn open(folder: &Folder) -> (Journal, Vec<Vec<u8>>) {
    Journal::open(&folder.0).unwrap()
}

fn held(folder: &Folder) -> Vec<Vec<u8>> {
    open(folder).1
}

fn append(journal: &mut Journal, records: &[Vec<u8>]) {
    records.iter().for_each(|record| assert!(journal.append(record)));
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
fn records_survive_in_order() {
    let folder = Folder::new("order");
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for run in 0..4_u64 {
        let (mut journal, found) = open(&folder);
        assert_eq!(found, expected);
        let new = [records(run * 300..run * 300 + 300), vec![Vec::new(), vec![7; 1 << 20]]].concat();
        append(&mut journal, &new);
        expected.extend(new);
    }
    assert_eq!(held(&folder), expected);
}

#[test]
fn a_replacement_takes_the_place_of_what_is_written() {
    let folder = Folder::new("replace");
    let (mut journal, _) = open(&folder);
    append(&mut journal, &records(0..50));
    journal.replace(&records(100..103));
    append(&mut journal, &records(200..201));
    drop(journal);

    let (mut journal, found) = open(&folder);
    assert_eq!(found, [records(100..103), records(200..201)].concat());
    journal.replace(&[]);
    drop(journal);
    assert_eq!(held(&folder), records(0..0));
}

#[test]
fn a_record_that_was_cut_off_is_left_out_and_written_over() {
    let folder = Folder::new("torn");
    let (mut journal, _) = open(&folder);
    append(&mut journal, &records(0..3));
    let (whole, path) = (journal.end, folder.0.join(FILE));
    append(&mut journal, &records(3..4));
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for length in whole as usize..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let (mut journal, found) = open(&folder);
        assert_eq!(found, records(0..3), "{length}");
        append(&mut journal, &records(9..10));
        drop(journal);
        assert_eq!(held(&folder), [records(0..3), records(9..10)].concat(), "{length}");
    }
}

#[test]
fn two_journals_do_not_share_a_folder() {
    let folder = Folder::new("two");
    let first = open(&folder);
    let error = Journal::open(&folder.0).unwrap_err();
    assert!(matches!(&error, JournalError::InUse { folder: named } if *named == folder.0), "{error}");
    assert!(error.to_string().contains("is in use: another node runs on it"), "{error}");
    drop(first);

    let mut child = Process::start(&folder, "append");
    child.next_report().unwrap();
    assert!(matches!(Journal::open(&folder.0), Err(JournalError::InUse { .. })));
    child.kill();
    drop(open(&folder));
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = Folder::new("unusable");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("file"), "").unwrap();
    let inside = folder.0.join("file").join("node");
    let error = Journal::open(&inside).unwrap_err();
    assert!(matches!(&error, JournalError::Io { path, .. } if *path == inside), "{error}");

    fs::create_dir_all(folder.0.join("node").join(FILE)).unwrap();
    let error = Journal::open(&folder.0.join("node")).unwrap_err();
    assert!(matches!(&error, JournalError::Io { path, .. } if path.ends_with(FILE)), "{error}");
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("permission");
    fs::create_dir_all(&folder.0).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o555)).unwrap();
    match Journal::open(&folder.0) {
        // Whoever is allowed everything is not refused.
        Ok(_) => {}
        Err(error) => assert!(error.to_string().starts_with("cannot use "), "{error}"),
    }
}

/// What is read from a journal whose file has these contents.
fn opened(folder: &Folder, contents: &[u8]) -> Result<Vec<Vec<u8>>, JournalError> {
    fs::write(folder.0.join(FILE), contents).unwrap();
    Journal::open(&folder.0).map(|(_, held)| held)
}

/// Whatever was changed, nothing wrong is read. (A file that ends too early looks like one that was cut off by a kill.)
#[test]
fn damage_is_found() {
    let folder = Folder::new("damage");
    let (mut journal, _) = open(&folder);
    append(&mut journal, &records(0..100));
    drop(journal);
    let good = fs::read(folder.0.join(FILE)).unwrap();
    for place in (0..good.len()).step_by(211).chain(0..320).chain(good.len() - 320..good.len()) {
        let mut bad = good.clone();
        bad[place] ^= 0x5a;
        let read = opened(&folder, &bad);
        assert!(matches!(read, Err(JournalError::Damaged { .. })), "byte {place}: {read:?}");
    }
    for length in (MAGIC.len()..good.len()).step_by(499) {
        let held = opened(&folder, &good[..length]).unwrap();
        assert!(held.len() < 100 && records(0..100).starts_with(&held), "length {length}");
    }
    for length in 0..MAGIC.len() {
        assert!(matches!(opened(&folder, &good[..length]), Err(JournalError::Damaged { .. })));
    }
}

#[test]
fn a_damaged_file_is_named_with_a_remedy() {
    let folder = Folder::new("damage-name");
    drop(open(&folder));
    for contents in ["", "x", &"not a journal ".repeat(10_000)] {
        fs::write(folder.0.join(FILE), contents).unwrap();
        let error = Journal::open(&folder.0).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("journal.log is damaged (") && text.contains("move it away"), "{text}");
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
    let (mut journal, held) = Journal::open(folder).unwrap();
    let start = held.len() as u64;
    report(start);
    for position in start..start + 100_000 {
        assert!(journal.append(&record(position)));
        if random(10) == 0 {
            report(position + 1);
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

/// Reports each generation when all of it is safe.
fn replace_on_and_on(folder: &Path) {
    let (mut journal, held) = Journal::open(folder).unwrap();
    let start = generation_of(&held);
    report(start);
    for number in start + 1..start + 5000 {
        let (put, appended) = generation(number);
        journal.replace(&put);
        append(&mut journal, &appended);
        report(number);
    }
}

/// Appends until the journal fails; reports how many records are safe, and why it failed.
fn fill(folder: &Path) {
    let (mut journal, _) = Journal::open(folder).unwrap();
    let mut safe = 0;
    while journal.append(&record(safe)) {
        safe += 1;
        report(safe);
    }
    assert!(!journal.append(&[]), "nothing follows what was not written");
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
