//! Files that only their owner can open: keys and secrets, a word and its value a line.

use snow::resolvers::{CryptoResolver, DefaultResolver};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Files of keys and secrets are shorter than this many bytes; nobody makes us read more.
const MOST_FILE: u64 = 4_096;

/// What is wrong with a file of keys or secrets, and what to do about it.
#[derive(Debug, Error)]
pub enum KeysError {
    /// There is no such file.
    #[error("{} does not exist: create it, or copy the one of another node", .0.display())]
    Missing(PathBuf),
    /// A file that would be lost is in the way.
    #[error("{} exists already and is not overwritten: move it away, if it is not needed", .0.display())]
    Exists(PathBuf),
    /// Users other than the owner may open the file.
    #[error("{0} is open to other users (mode {mode:03o}): run `chmod 600 {0}`", .file.display())]
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold what it should.
    #[error("{}: {wrong}: restore it from a copy, or move it away and create a new one", .file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong, and in which line. It never shows a secret.
        wrong: String,
    },
    /// The system would not let us read the file.
    #[error("{} cannot be read: {why}: check its path and its owner", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        why: io::Error,
    },
    /// The system would not let us write the file.
    #[error("{} cannot be written: {why}: does its folder exist, and may you write there?", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        why: io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers, so no key can be made: try again later")]
    Random,
}

/// What is wrong with a file whose public key is not that of the private one.
pub(super) const MISMATCH: &str = "its two keys do not belong together";

/// The private and the public key of a file.
pub(super) fn parse_pair(text: &str) -> Result<([u8; 32], [u8; 32]), String> {
    let (mut private, mut public) = (None, None);
    for (number, words) in lines(text) {
        match words[..] {
            ["private", digits] if private.is_none() => private = Some(at_line(number, unhex(digits))?),
            ["public", digits] if public.is_none() => public = Some(at_line(number, unhex(digits))?),
            _ => return Err(format!("line {number} should be `private KEY` or `public KEY`, once each")),
        }
    }
    Ok((private.ok_or("there is no line `private KEY`")?, public.ok_or("there is no line `public KEY`")?))
}

/// The words of each line that says something, with its number from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with('#'));
    numbered
        .map(|(number, line)| (number, line.split_whitespace().collect()))
        .filter(|(_, words): &(_, Vec<_>)| !words.is_empty())
}

pub(super) fn at_line<T>(number: usize, value: Result<T, impl fmt::Display>) -> Result<T, String> {
    value.map_err(|wrong| format!("line {number}: {wrong}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex<const N: usize>(digits: &str) -> Result<[u8; N], String> {
    let wrong = || format!("a key is {} hexadecimal digits", 2 * N);
    if digits.len() != 2 * N {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or_else(wrong);
        // (Two digits are at most 255.)
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Ok(bytes)
}

pub(super) fn random() -> Result<[u8; 32], KeysError> {
    let mut bytes = [0; 32];
    let mut source = DefaultResolver.resolve_rng().ok_or(KeysError::Random)?;
    source.try_fill_bytes(&mut bytes).map_err(|_| KeysError::Random)?;
    Ok(bytes)
}

/// Reads a short file that only its owner can open.
pub(super) fn read(path: &Path) -> Result<String, KeysError> {
    let cannot = |why: io::Error| match why.kind() {
        io::ErrorKind::NotFound => KeysError::Missing(path.to_owned()),
        _ => KeysError::Read { file: path.to_owned(), why },
    };
    let corrupt = |wrong: &str| KeysError::Corrupt { file: path.to_owned(), wrong: wrong.to_owned() };
    let handle = File::open(path).map_err(cannot)?;
    // (Asked of the open file, so that it cannot be another one than that which is read.)
    let metadata = handle.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(cannot(io::Error::other("it is not a regular file")));
    }
    if let Some(mode) = system::open_to_others(&metadata) {
        return Err(KeysError::Exposed { file: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    handle.take(MOST_FILE + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MOST_FILE {
        return Err(corrupt("it is too long"));
    }
    String::from_utf8(bytes).map_err(|_| corrupt("it is not a text"))
}

/// Where a file may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Only where no file is yet.
    Free,
    /// In the place of another as well.
    Any,
}

/// Writes a file that only its owner can open. It appears at its path when it is complete, or not at all.
pub(super) fn write(path: &Path, text: &str, place: Place) -> Result<(), KeysError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", hex(&random()?[..4])));
    let temporary = PathBuf::from(temporary);
    let written = write_new(&temporary, text).and_then(|()| match place {
        // A link, unlike a renaming, never replaces a file.
        Place::Free => fs::hard_link(&temporary, path),
        Place::Any => fs::rename(&temporary, path),
    });
    // (After a renaming there is nothing to remove; and what remains is private.)
    let _ = fs::remove_file(&temporary);
    written.and_then(|()| system::sync_folder(path)).map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => KeysError::Exists(path.to_owned()),
        _ => KeysError::Write { file: path.to_owned(), why },
    })
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = system::private().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Who may open a file, and how a folder is made to last.
#[cfg(unix)]
mod system {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    use std::path::Path;

    /// Options that create a file for its owner only.
    pub(super) fn private() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600);
        options
    }

    /// The permission bits, if they let others than the owner in.
    pub(super) fn open_to_others(file: &Metadata) -> Option<u32> {
        Some(file.permissions().mode() & 0o777).filter(|mode| mode & 0o077 != 0)
    }

    /// Makes the name of a file last, as its content does already.
    pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Elsewhere the folder's own rights decide who may open a file.
#[cfg(not(unix))]
mod system {
    use std::fs::{Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(super) fn private() -> OpenOptions {
        OpenOptions::new()
    }

    pub(super) fn open_to_others(_: &Metadata) -> Option<u32> {
        None
    }

    pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
