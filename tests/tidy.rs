//! Rules about the source itself: who may know whom, and what stands nowhere. A rule that nobody checks is a wish.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms, from the ground up: each may use those that stand in its own list, and itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("id", &[]),
    ("units", &[]),
    ("fault", &["id", "time"]),
    ("rng", &["id"]),
    ("graph", &["id"]),
    ("churn", &["rng", "time", "units"]),
    ("message", &["id"]),
    ("protocol", &["id", "message", "transport"]),
    ("transport", &["id", "message", "protocol", "rng", "time"]),
    ("node", &["id", "message", "protocol", "rng", "time", "transport", "units"]),
    ("observe", &["fault", "graph", "id", "message", "protocol", "time"]),
    ("world", &["fault", "graph", "id", "message", "protocol", "time"]),
    (
        "sim",
        &[
            "fault",
            "graph",
            "id",
            "message",
            "observe",
            "protocol",
            "rng",
            "time",
            "transport",
            "units",
            "world",
        ],
    ),
    (
        "live",
        &["fault", "graph", "id", "message", "network", "observe", "protocol", "time", "transport", "world"],
    ),
    ("network", &["fault", "graph", "id", "message", "observe", "protocol", "sim", "time", "world"]),
    (
        "scenario",
        &["churn", "fault", "graph", "id", "network", "protocol", "rng", "sim", "time", "units", "world"],
    ),
    (
        "judge",
        &[
            "fault", "graph", "id", "message", "network", "observe", "protocol", "scenario", "time", "units",
            "world",
        ],
    ),
    ("draw", &["graph", "id", "rng", "units"]),
    (
        "report",
        &[
            "graph", "id", "judge", "network", "observe", "protocol", "scenario", "sim", "time", "units",
            "world",
        ],
    ),
    (
        "mill",
        &[
            "fault", "judge", "network", "observe", "protocol", "report", "scenario", "sim", "time", "units",
            "world",
        ],
    ),
];

/// Only these may know everything.
const TOP: &[&str] = &["cli", "lib", "main"];

/// What stands in no source file outside `cli`, and why.
const BANNED: &[(&str, &str)] = &[
    ("std::time::Instant", "there is no wall clock below the command line"),
    ("SystemTime", "there is no wall clock below the command line"),
    ("std::thread", "one simulation, one thread"),
    ("std::env::", "there is no environment below the command line"),
    ("println!", "only the command line speaks"),
    ("eprintln!", "only the command line speaks"),
    ("HashMap<", "hash maps are FxHashMap, for look-up only"),
    ("HashSet<", "hash sets are FxHashSet, for look-up only"),
];

/// What a node may not reach for either.
const BANNED_IN_NODE: &[&str] = &["std::fs", "std::net", "std::io", "std::thread"];

/// A file that grows beyond this holds a second concept.
const LONGEST_FILE: usize = 700;

struct Source {
    path: PathBuf,
    /// The room: the first part of its path below `src`.
    room: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    let source = |path: PathBuf| {
        let below = path.strip_prefix(root().join("src")).unwrap();
        let room = below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        Source { text: fs::read_to_string(&path).unwrap(), room, path }
    };
    files.into_iter().map(source).collect()
}

/// The code without its unit tests, which may use what they like.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

#[test]
fn rooms_know_only_what_stands_below_them() {
    for Source { path, room, text } in sources() {
        if TOP.contains(&room.as_str()) || path.ends_with("tests.rs") {
            continue;
        }
        let (_, known) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{}: the room `{room}` has no rule in tests/tidy.rs", path.display()));
        for (number, line) in
            code(&text).lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for other in line.split("crate::").skip(1) {
                let other = other.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                assert!(
                    other == room || known.contains(&other),
                    "{}:{}: `{room}` may not know `{other}`",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn nothing_reaches_past_the_seam() {
    for Source { path, room, text } in sources() {
        let code = code(&text);
        for (word, why) in BANNED.iter().filter(|_| room != "cli") {
            let found = code.match_indices(word).any(|(at, _)| !code[..at].ends_with("Fx"));
            assert!(!found, "{}: `{word}`: {why}", path.display());
        }
        for word in
            BANNED_IN_NODE.iter().filter(|_| room == "node" || room == "protocol" || room == "transport")
        {
            assert!(
                !code.contains(word),
                "{}: a node touches the world only through its transport",
                path.display()
            );
        }
    }
}

#[test]
fn files_are_short_and_begin_with_what_they_are() {
    for Source { path, text, .. } in sources() {
        let lines = code(&text).lines().count();
        assert!(lines <= LONGEST_FILE, "{}: {lines} lines: which is the second concept?", path.display());
        assert!(text.starts_with("//!"), "{}: a file says first what it is", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            !["utils", "util", "helpers", "common", "types", "misc"].contains(&name),
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_front_page_and_the_architecture_name_every_room() {
    let front = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let architecture = fs::read_to_string(root().join("src/architecture.md")).unwrap();
    for (room, _) in ROOMS {
        assert!(front.contains(&format!("[`{room}`]")), "src/lib.rs does not name `{room}`");
        assert!(architecture.contains(&format!("`{room}`")), "src/architecture.md does not name `{room}`");
    }
}
