//! Who a node is and which network it belongs to: its [`Keypair`], the network's [`Secrets`], and their
//! files.
#![expect(clippy::disallowed_types, reason = "a secret that was replaced holds until a date")]

use crate::id::Identity;
use snow::params::{DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Dh, Hash};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// Files of keys and secrets are shorter than this many bytes; nobody makes us read more.
const MOST_FILE: u64 = 4_096;

/// The longest time for which a replaced secret holds: a year.
pub const MOST_PERIOD: Duration = Duration::from_secs(366 * 24 * 3600);

/// What the text of a secret begins with, so that people see what it is.
const PREFIX: &str = "rumormill-";
/// Hexadecimal digits of the secret itself.
const DIGITS: usize = 64;
/// Hexadecimal digits of its checksum: a typo passes once in four thousand million times.
const CHECK_DIGITS: usize = 8;
const ALL_DIGITS: usize = DIGITS + CHECK_DIGITS;

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

/// A node's X25519 keys. The public one is its identity; only who holds the private one can speak in its
/// name.
#[derive(Clone)]
pub struct Keypair {
    private: [u8; 32],
    /// The node's identity: its public key.
    pub public: Identity,
}

impl Keypair {
    /// A new pair.
    pub fn random() -> Result<Keypair, KeysError> {
        Ok(Keypair::from_private(random()?))
    }

    /// The pair in the file at `path`; a new one is made and written there when there is no such file.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Keypair, KeysError> {
        let path = path.as_ref();
        match Keypair::load(path) {
            Err(KeysError::Missing(_)) => {}
            loaded => return loaded,
        }
        let new = Keypair::random()?;
        match write_private(path, &new.file_text(), Place::Free) {
            // Another process was faster: the file decides.
            Err(KeysError::Exists(_)) => Keypair::load(path),
            written => written.map(|()| new),
        }
    }

    fn load(path: &Path) -> Result<Keypair, KeysError> {
        let text = read_private(path)?;
        Keypair::parse(&text).map_err(|wrong| KeysError::Corrupt { file: path.to_owned(), wrong })
    }

    /// The public key stands in the file for people, and shows when the private one was damaged: any 32 bytes
    /// are a private key, so the node would come back under another name.
    fn file_text(&self) -> String {
        let (private, public) = (hex(&self.private), hex(&self.public.0));
        format!("# A node's keys. Never show or copy them.\nprivate {private}\npublic {public}\n")
    }

    fn parse(text: &str) -> Result<Keypair, String> {
        let (mut private, mut public) = (None, None);
        for (number, words) in lines(text) {
            match words[..] {
                ["private", digits] if private.is_none() => private = Some(at_line(number, unhex(digits))?),
                ["public", digits] if public.is_none() => public = Some(at_line(number, unhex(digits))?),
                _ => return Err(format!("line {number} should be `private KEY` or `public KEY`, once each")),
            }
        }
        let pair = Keypair::from_private(private.ok_or("there is no line `private KEY`")?);
        if public.ok_or("there is no line `public KEY`")? != pair.public.0 {
            return Err("its two keys do not belong together".to_owned());
        }
        Ok(pair)
    }

    pub(super) fn from_private(private: [u8; 32]) -> Keypair {
        let mut curve = curve();
        curve.set(&private);
        let mut public = [0; 32];
        public.copy_from_slice(curve.pubkey());
        Keypair { private, public: Identity(public) }
    }

    /// The private key, for the handshake only.
    pub(super) fn private(&self) -> &[u8; 32] {
        &self.private
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Keypair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Whether possession of `identity` can be proved: it is the one way to write a public key, and not a point
/// of low order. With such a point every key exchange gives zero, so that anybody could speak in its name.
pub(super) fn is_provable(identity: &Identity) -> bool {
    let bytes = &identity.0;
    // Numbers from 2^255 - 19 up are second ways to write a smaller one.
    let reduced = bytes[31] < 0x7f || (bytes[31] == 0x7f && (bytes[0] < 0xed || bytes[1..31] != [0xff; 30]));
    let mut curve = curve();
    curve.set(&[1; 32]);
    let mut shared = [0; 32];
    reduced && curve.dh(bytes, &mut shared).is_ok() && shared != [0; 32]
}

/// What all nodes of a network know and nobody else. Neither `Debug` nor any error shows it, only
/// [`text`](Secret::text) does.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A new secret.
    pub fn random() -> Result<Secret, KeysError> {
        random().map(Secret)
    }

    /// The secret as people copy it: a prefix, 64 hexadecimal digits, and 8 of a checksum.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}{}", hex(&self.0), hex(&checksum(&self.0)))
    }

    /// The bytes, for the handshake only.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a text is no secret. It does not show the text, which may be nearly right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadSecret {
    /// It begins with something else.
    #[error("a secret begins with `{PREFIX}`")]
    Prefix,
    /// Digits are missing, or there are too many.
    #[error("a secret has {ALL_DIGITS} digits after `{PREFIX}`, this one has {found}: copy all of it")]
    Length {
        /// Digits that there are.
        found: usize,
    },
    /// A character is not a hexadecimal digit; counted from 1, after the prefix.
    #[error("character {0} after `{PREFIX}` is not one of 0-9 and a-f")]
    Digit(usize),
    /// All looks well, but the checksum does not fit.
    #[error("the secret has a typo: its checksum does not fit; copy it again")]
    Checksum,
}

impl FromStr for Secret {
    type Err = BadSecret;

    /// Reads what [`Secret::text`] writes; space around it and capital digits do not matter.
    fn from_str(text: &str) -> Result<Secret, BadSecret> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(BadSecret::Prefix)?;
        if let Some(at) = digits.chars().position(|digit| !digit.is_ascii_hexdigit()) {
            return Err(BadSecret::Digit(at + 1));
        }
        if digits.len() != ALL_DIGITS {
            return Err(BadSecret::Length { found: digits.len() });
        }
        let (secret, check) = digits.split_at(DIGITS);
        // (Neither can fail: there are as many digits as it takes, and nothing else.)
        let secret = unhex::<32>(secret).map_err(|_| BadSecret::Checksum)?;
        let check = unhex::<4>(check).map_err(|_| BadSecret::Checksum)?;
        if check != checksum(&secret) {
            return Err(BadSecret::Checksum);
        }
        Ok(Secret(secret))
    }
}

/// The network's secret, and for a while the one that it replaced, so that nodes can change over one by one.
///
/// A dialer uses the current one (and the previous one when it was turned away); who is dialled accepts any
/// [valid](Secrets::valid) one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    current: Secret,
    /// And until when it holds, in whole seconds, as the file tells it.
    previous: Option<(Secret, SystemTime)>,
}

impl Secrets {
    /// A network with this one secret.
    pub fn new(current: Secret) -> Secrets {
        Secrets { current, previous: None }
    }

    /// A new network: a random secret, written to a new file at `path`.
    pub fn create(path: impl AsRef<Path>) -> Result<Secrets, KeysError> {
        let secrets = Secrets::new(Secret::random()?);
        write_private(path.as_ref(), &secrets.file_text(), Place::Free)?;
        Ok(secrets)
    }

    /// The secrets in the file at `path`.
    pub fn load(path: impl AsRef<Path>) -> Result<Secrets, KeysError> {
        let path = path.as_ref();
        let text = read_private(path)?;
        Secrets::parse(&text).map_err(|wrong| KeysError::Corrupt { file: path.to_owned(), wrong })
    }

    /// Writes them to `path`, in the place of what was there; after a crash it is the old file or the new
    /// one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), KeysError> {
        write_private(path.as_ref(), &self.file_text(), Place::Any)
    }

    /// A new secret becomes the current one; the old one holds for `period` from `now`, at most [`MOST_PERIOD`]; with a period
    /// of zero, not at all. A secret before the old one, if it held still, is forgotten.
    pub fn rotate(&mut self, period: Duration, now: SystemTime) -> Result<(), KeysError> {
        self.adopt(Secret::random()?, period, now);
        Ok(())
    }

    /// As [`rotate`](Secrets::rotate), with this secret; the current one again changes nothing.
    fn adopt(&mut self, secret: Secret, period: Duration, now: SystemTime) {
        if secret == self.current {
            return;
        }
        let old = std::mem::replace(&mut self.current, secret);
        let until = now.checked_add(period.min(MOST_PERIOD)).and_then(whole_seconds);
        self.previous = until.filter(|_| !period.is_zero()).map(|until| (old, until));
    }

    /// The secret to dial with.
    pub fn current(&self) -> &Secret {
        &self.current
    }

    /// The one before it, if that holds `now`: to dial nodes that have not changed over.
    pub fn previous(&self, now: SystemTime) -> Option<&Secret> {
        self.previous.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret)
    }

    /// Those that a node accepts `now`, the current one first.
    pub fn valid(&self, now: SystemTime) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(self.previous(now))
    }

    fn file_text(&self) -> String {
        let mut text = format!(
            "# The secret of a network: who has it is in. (`until`: in seconds since 1970.)\ncurrent {}\n",
            self.current.text()
        );
        if let Some((secret, until)) = &self.previous {
            let until = until.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            text += &format!("previous {} until {until}\n", secret.text());
        }
        text
    }

    fn parse(text: &str) -> Result<Secrets, String> {
        let (mut current, mut previous) = (None, None);
        for (number, words) in lines(text) {
            match words[..] {
                ["current", secret] if current.is_none() => current = Some(at_line(number, secret.parse())?),
                ["previous", secret, "until", until] if previous.is_none() => {
                    previous = Some((at_line(number, secret.parse())?, at_line(number, date(until))?));
                }
                _ => {
                    let known = "`current SECRET` or `previous SECRET until SECONDS`, once each";
                    return Err(format!("line {number} should be {known}"));
                }
            }
        }
        Ok(Secrets { current: current.ok_or("there is no line `current SECRET`")?, previous })
    }
}

/// The first whole second that is not before `time`.
fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn date(seconds: &str) -> Result<SystemTime, &'static str> {
    let seconds = seconds.parse().map_err(|_| "`until` is followed by a number of seconds")?;
    let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    date.ok_or("`until` is too far away")
}

/// The words of each line that says something, with its number from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with('#'));
    numbered
        .map(|(number, line)| (number, line.split_whitespace().collect()))
        .filter(|(_, words): &(_, Vec<_>)| !words.is_empty())
}

fn at_line<T>(number: usize, value: Result<T, impl fmt::Display>) -> Result<T, String> {
    value.map_err(|wrong| format!("line {number}: {wrong}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(digits: &str) -> Result<[u8; N], String> {
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

fn curve() -> Box<dyn Dh> {
    DefaultResolver.resolve_dh(&DHChoice::Curve25519).expect("snow is built with X25519")
}

fn checksum(secret: &[u8; 32]) -> [u8; 4] {
    let mut hash: Box<dyn Hash> =
        DefaultResolver.resolve_hash(&HashChoice::Blake2s).expect("snow is built with BLAKE2s");
    hash.input(b"rumormill checksum of a network's secret");
    hash.input(secret);
    let mut result = [0; 32];
    hash.result(&mut result);
    [result[0], result[1], result[2], result[3]]
}

fn random() -> Result<[u8; 32], KeysError> {
    let mut bytes = [0; 32];
    let mut source = DefaultResolver.resolve_rng().ok_or(KeysError::Random)?;
    source.try_fill_bytes(&mut bytes).map_err(|_| KeysError::Random)?;
    Ok(bytes)
}

/// Reads a short file that only its owner can open.
fn read_private(path: &Path) -> Result<String, KeysError> {
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
enum Place {
    /// Only where no file is yet.
    Free,
    /// In the place of another as well.
    Any,
}

/// Writes a file that only its owner can open. It appears at its path when it is complete, or not at all.
fn write_private(path: &Path, text: &str, place: Place) -> Result<(), KeysError> {
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

#[cfg(test)]
mod tests;
