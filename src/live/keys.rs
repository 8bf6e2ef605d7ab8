//! Who a node is and which network it belongs to: its [`Keypair`], the network's [`Secrets`], and their
//! files.
#![expect(clippy::disallowed_types, reason = "a secret that was replaced holds until a date")]

use super::admin::Admin;
pub use super::private::KeysError;
use super::private::{self, MISMATCH, at_line, hex, lines, parse_pair, random, unhex};
use crate::id::Identity;
use snow::params::{DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Dh, Hash};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// The longest time for which a replaced secret holds: a year.
pub const MOST_PERIOD: Duration = Duration::from_secs(366 * 24 * 3600);

/// What the text of a secret begins with, so that people see what it is.
const PREFIX: &str = "rumormill-";
/// Hexadecimal digits of the secret itself.
const DIGITS: usize = 64;
/// Hexadecimal digits of its checksum: a typo passes once in four thousand million times.
const CHECK_DIGITS: usize = 8;
const ALL_DIGITS: usize = DIGITS + CHECK_DIGITS;

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
        match private::write(path, &new.file_text(), private::Place::Free) {
            // Another process was faster: the file decides.
            Err(KeysError::Exists(_)) => Keypair::load(path),
            written => written.map(|()| new),
        }
    }

    fn load(path: &Path) -> Result<Keypair, KeysError> {
        let text = private::read(path)?;
        Keypair::parse(&text).map_err(|wrong| KeysError::Corrupt { file: path.to_owned(), wrong })
    }

    /// The public key stands in the file for people, and shows when the private one was damaged: any 32 bytes
    /// are a private key, so the node would come back under another name.
    fn file_text(&self) -> String {
        let (private, public) = (hex(&self.private), hex(&self.public.0));
        format!("# A node's keys. Never show or copy them.\nprivate {private}\npublic {public}\n")
    }

    fn parse(text: &str) -> Result<Keypair, String> {
        let (private, public) = parse_pair(text)?;
        let pair = Keypair::from_private(private);
        if public == pair.public.0 { Ok(pair) } else { Err(MISMATCH.to_owned()) }
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
    /// Who may shut the network down, if anybody.
    admin: Option<Admin>,
}

impl Secrets {
    /// A network with this one secret.
    pub fn new(current: Secret) -> Secrets {
        Secrets { current, previous: None, admin: None }
    }

    /// A new network: a random secret, written to a new file at `path`, and who may shut it down.
    pub fn create(path: impl AsRef<Path>, admin: Admin) -> Result<Secrets, KeysError> {
        let secrets = Secrets { admin: Some(admin), ..Secrets::new(Secret::random()?) };
        private::write(path.as_ref(), &secrets.file_text(), private::Place::Free)?;
        Ok(secrets)
    }

    /// The secrets in the file at `path`.
    pub fn load(path: impl AsRef<Path>) -> Result<Secrets, KeysError> {
        let path = path.as_ref();
        let text = private::read(path)?;
        Secrets::parse(&text).map_err(|wrong| KeysError::Corrupt { file: path.to_owned(), wrong })
    }

    /// Writes them to `path`, in the place of what was there; after a crash it is the old file or the new
    /// one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), KeysError> {
        private::write(path.as_ref(), &self.file_text(), private::Place::Any)
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

    /// Who may shut the network down, if anybody.
    pub fn admin(&self) -> Option<&Admin> {
        self.admin.as_ref()
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
        if let Some(admin) = &self.admin {
            text += &format!("# Whose order shuts the network down.\nadmin {}\n", admin.text());
        }
        text
    }

    fn parse(text: &str) -> Result<Secrets, String> {
        let (mut current, mut previous, mut admin) = (None, None, None);
        for (number, words) in lines(text) {
            match words[..] {
                ["current", secret] if current.is_none() => current = Some(at_line(number, secret.parse())?),
                ["previous", secret, "until", until] if previous.is_none() => {
                    previous = Some((at_line(number, secret.parse())?, at_line(number, date(until))?));
                }
                ["admin", key] if admin.is_none() => admin = Some(at_line(number, Admin::parse(key))?),
                _ => {
                    let known = "`current SECRET`, `previous SECRET until SECONDS` or `admin KEY`, once each";
                    return Err(format!("line {number} should be {known}"));
                }
            }
        }
        Ok(Secrets { current: current.ok_or("there is no line `current SECRET`")?, previous, admin })
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

#[cfg(test)]
mod tests;
