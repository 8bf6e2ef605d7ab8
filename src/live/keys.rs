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

    fn from_private(private: [u8; 32]) -> Keypair {
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

    /// A new secret becomes the current one; the old one holds for `period` from `now`: see
    /// [`Secrets::adopt`].
    pub fn rotate(&mut self, period: Duration, now: SystemTime) -> Result<(), KeysError> {
        self.adopt(Secret::random()?, period, now);
        Ok(())
    }

    /// `secret`, which another node made by [`Secrets::rotate`], becomes the current one; the old one holds
    /// for `period` from `now`, at most [`MOST_PERIOD`]; with a period of zero, not at all. To adopt the
    /// current one again changes nothing. A secret before the old one, if it held still, is forgotten.
    pub fn adopt(&mut self, secret: Secret, period: Duration, now: SystemTime) {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3600);

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A private file with this text.
    fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("file");
        write_private(&path, text, Place::Any).unwrap();
        path
    }

    fn only_file(folder: &tempfile::TempDir) -> bool {
        fs::read_dir(folder.path()).unwrap().count() == 1
    }

    #[test]
    fn public_keys_are_those_of_rfc_7748() {
        // Section 6.1, Bob.
        let private = unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb").unwrap();
        let public = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
        assert_eq!(hex(&Keypair::from_private(private).public.0), public);
    }

    #[test]
    fn a_keypair_is_made_once_and_then_found_again() {
        let folder = folder();
        let path = folder.path().join("key");
        let first = Keypair::load_or_create(&path).unwrap();
        let again = Keypair::load_or_create(&path).unwrap();
        assert_eq!((first.private, first.public), (again.private, again.public));
        assert!(only_file(&folder), "a temporary file was left");
        assert_ne!(Keypair::random().unwrap().public, first.public);
        assert!(is_provable(&first.public));
    }

    #[cfg(unix)]
    #[test]
    fn files_are_private_and_refused_when_they_are_not() {
        let folder = folder();
        let (key, secret) = (folder.path().join("key"), folder.path().join("secret"));
        Keypair::load_or_create(&key).unwrap();
        let secrets = Secrets::create(&secret).unwrap();
        secrets.save(&secret).unwrap();
        assert_eq!((mode(&key), mode(&secret)), (0o600, 0o600));
        for others in [0o640, 0o604, 0o620, 0o610] {
            set_mode(&key, others);
            set_mode(&secret, others);
            let error = Keypair::load_or_create(&key).unwrap_err().to_string();
            assert!(error.contains(&format!("`chmod 600 {}`", key.display())), "{error}");
            assert!(error.contains(&format!("{others:o}")), "{error}");
            assert!(matches!(Secrets::load(&secret), Err(KeysError::Exposed { .. })));
        }
        set_mode(&key, 0o400);
        assert!(Keypair::load_or_create(&key).is_ok());
    }

    #[test]
    fn a_damaged_keypair_is_refused() {
        let folder = folder();
        let pair = Keypair::random().unwrap();
        let other = Keypair::random().unwrap();
        let text = pair.file_text();
        let damaged = [
            String::new(),
            "private 12\n".to_owned(),
            text.replace("public", "pubic"),
            text.replace(&hex(&pair.private), &hex(&other.private)),
            text.replace(&hex(&pair.public.0), &"é".repeat(32)),
            format!("{text}{text}"),
            text.lines().take(2).collect::<Vec<_>>().join("\n"),
            "\0".repeat(10_000),
            format!("{text}{}", "\n".repeat(5_000)),
        ];
        for text in damaged {
            let path = file(&folder, &text);
            let error = Keypair::load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeysError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains("restore it"), "{error}");
            assert!(!error.to_string().contains(&hex(&pair.private)), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "a damaged file is not replaced");
        }
        fs::write(folder.path().join("file"), [0xff; 40]).unwrap();
        assert!(matches!(Keypair::load(&folder.path().join("file")), Err(KeysError::Corrupt { .. })));
    }

    #[test]
    fn what_cannot_be_written_names_the_file() {
        let folder = folder();
        let path = folder.path().join("nowhere/key");
        let error = Keypair::load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeysError::Write { .. }));
        assert!(error.to_string().contains("nowhere/key"), "{error}");
        assert!(matches!(Keypair::load(folder.path()), Err(KeysError::Read { .. })));
        let missing = Secrets::load(&path).unwrap_err();
        assert!(matches!(missing, KeysError::Missing(_)));
        assert!(missing.to_string().contains("copy the one"), "{missing}");
    }

    #[test]
    fn a_network_is_not_created_over_another() {
        let folder = folder();
        let path = folder.path().join("secret");
        let secrets = Secrets::create(&path).unwrap();
        assert!(matches!(Secrets::create(&path), Err(KeysError::Exists(_))));
        assert_eq!(Secrets::load(&path).unwrap(), secrets);
        assert!(only_file(&folder), "a temporary file was left");
    }

    #[test]
    fn every_typo_in_a_secret_is_noticed() {
        let secret = Secret::random().unwrap();
        let text = secret.text();
        assert_eq!(text.len(), PREFIX.len() + 72);
        assert_eq!(text.parse(), Ok(secret.clone()));
        assert_eq!(format!(" {PREFIX}{}\n", text[PREFIX.len()..].to_uppercase()).parse(), Ok(secret));
        for at in 0..text.len() {
            for wrong in ["0", "7", "f", "x", "é", ""] {
                let typo = format!("{}{wrong}{}", &text[..at], &text[at + 1..]);
                assert!(typo == text || typo.parse::<Secret>().is_err(), "{typo}");
            }
        }
        for at in PREFIX.len()..text.len() - 1 {
            let mut swapped = text.clone().into_bytes();
            swapped.swap(at, at + 1);
            let swapped = String::from_utf8(swapped).unwrap();
            assert!(swapped == text || swapped.parse() == Err::<Secret, _>(BadSecret::Checksum));
        }
        let long = format!("{text}0").parse::<Secret>();
        assert_eq!(long, Err(BadSecret::Length { found: 73 }));
        assert_eq!("".parse::<Secret>(), Err(BadSecret::Prefix));
        assert_eq!("rumormill-12g".parse::<Secret>(), Err(BadSecret::Digit(3)));
    }

    #[test]
    fn the_text_of_a_secret_stays_as_it_is() {
        let secret = Secret([7; 32]);
        assert_eq!(secret.text(), format!("rumormill-{}b6b0d88d", "07".repeat(32)));
    }

    #[test]
    fn debug_shows_no_secrets() {
        let pair = Keypair::random().unwrap();
        let secrets = Secrets::new(Secret::random().unwrap());
        let shown = format!("{pair:?} {secrets:?} {:?}", secrets.current());
        assert!(!shown.contains(&hex(&pair.private)) && !shown.contains(&hex(secrets.current().bytes())));
        assert!(!shown.contains(&format!("{:?}", secrets.current().bytes())));
        assert!(!shown.contains(&format!("{:?}", pair.private)));
    }

    #[test]
    fn the_old_secret_holds_for_its_period() {
        let folder = folder();
        let path = folder.path().join("secret");
        let mut secrets = Secrets::create(&path).unwrap();
        let first = secrets.current().clone();
        secrets.rotate(HOUR, NOW).unwrap();
        secrets.save(&path).unwrap();
        assert_eq!(Secrets::load(&path).unwrap(), secrets);
        let valid = |secrets: &Secrets, now| secrets.valid(now).cloned().collect::<Vec<_>>();
        let second = secrets.current().clone();
        assert_ne!(first, second);
        let last = NOW + HOUR - Duration::from_nanos(1);
        assert_eq!(valid(&secrets, NOW), [second.clone(), first.clone()]);
        assert_eq!(valid(&secrets, last), [second.clone(), first.clone()]);
        assert_eq!(valid(&secrets, NOW + HOUR), std::slice::from_ref(&second));
        secrets.adopt(second.clone(), Duration::ZERO, NOW);
        assert_eq!(secrets.previous(NOW), Some(&first), "nothing new was adopted");
        let mut other = Secrets::new(first.clone());
        other.adopt(second.clone(), HOUR, NOW);
        assert_eq!(other, secrets);
        other.rotate(Duration::ZERO, NOW).unwrap();
        assert_eq!(other.valid(NOW).count(), 1, "a secret that leaked is refused at once");
        other.rotate(Duration::MAX, NOW).unwrap();
        assert_eq!(other.valid(NOW + MOST_PERIOD).count(), 1);
    }

    #[test]
    fn damaged_secrets_are_refused_and_not_shown() {
        let folder = folder();
        let mut secrets = Secrets::new(Secret::random().unwrap());
        secrets.rotate(HOUR, NOW).unwrap();
        let text = secrets.file_text();
        let digits = hex(secrets.current().bytes());
        let damaged = [
            String::new(),
            text.replace(&digits, &digits.chars().rev().collect::<String>()),
            text.replace("until", ""),
            text.replace("until 3600", "until soon"),
            text.replace("until 3600", &format!("until {}", u64::MAX)),
            text.replace("until 3600", &format!("until {}0", u64::MAX)),
            text.replace("current", "previous"),
            format!("{text}current {}\n", secrets.current().text()),
        ];
        for text in damaged {
            let error = Secrets::load(file(&folder, &text)).unwrap_err();
            assert!(matches!(error, KeysError::Corrupt { .. }), "{text}: {error}");
            assert!(!format!("{error}{error:?}").contains(&digits), "{error}");
        }
        let error = Secrets::load(file(&folder, "\ncurrent rumormill-00\n")).unwrap_err().to_string();
        assert!(error.contains("line 2: a secret has 72 digits"), "{error}");
    }

    #[test]
    fn points_of_low_order_and_second_spellings_are_nobody() {
        let point = |digits: &str| Identity(unhex(digits).unwrap());
        let mut one = [0; 32];
        one[0] = 1;
        let mut twin = Keypair::random().unwrap().public;
        twin.0[31] |= 0x80;
        let nobody = [
            Identity([0; 32]),
            Identity(one),
            // Of order 8.
            point("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
            point("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
            // p - 1, p, p + 1.
            point("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            point("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            point("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            // 9, the base point, as 9 + p, and with the bit that is ignored.
            point("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            twin,
        ];
        for identity in nobody {
            assert!(!is_provable(&identity), "{identity:?}");
        }
        let mut base = [0; 32];
        base[0] = 9;
        assert!(is_provable(&Identity(base)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_secret_or_an_error(text in ".*") {
            let _ = text.parse::<Secret>();
            let _ = format!("{PREFIX}{text}").parse::<Secret>();
            let _ = Secrets::parse(&text);
            let _ = Keypair::parse(&text);
        }

        #[test]
        fn files_hold_what_was_written(
            a: [u8; 32],
            b: [u8; 32],
            period in 0u64..1 << 40,
            now in 0u32..,
            nanos in 0u32..1_000_000_000,
        ) {
            let mut secrets = Secrets::new(Secret(a));
            secrets.adopt(Secret(b), Duration::from_secs(period), NOW + Duration::new(now.into(), nanos));
            prop_assert_eq!(Secrets::parse(&secrets.file_text()), Ok(secrets));
            let pair = Keypair::from_private(a);
            prop_assert_eq!(Keypair::parse(&pair.file_text()).map(|pair| pair.private), Ok(a));
        }
    }
}
