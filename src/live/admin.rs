//! Who may end a whole network: whoever holds its [`AdminKey`]. Its public half, the [`Admin`], stands in the file of the
//! network's secret, so that every node can tell an order of the admin from one that somebody else made up.
//!
//! An order is a text of three words: when it was given, until when it holds, and an Ed25519 signature. It goes through the
//! network as a broadcast. It cannot be used a second time: it holds for a minute, and a node obeys none that was given
//! before it started. Since each network has an admin key of its own, no other network takes it. Clocks of nodes that
//! differ by more than a minute keep them from obeying, not from living.

use super::private::{self, KeysError};
use crate::message::Timestamp;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// The title of the broadcast that carries an order.
pub const SHUTDOWN_TITLE: &str = "#SHUTDOWN";

/// So long an order holds, and so far clocks may differ.
const LIFETIME: Duration = Duration::from_secs(60);

/// What is signed begins with this, so that no other signature passes for an order.
const DOMAIN: &[u8] = b"rumormill: shut down the network of this admin, version 1";

/// Signs orders. Its file lies beside that of the network's secret, where the network was founded.
pub struct AdminKey(SigningKey);

/// Knows an order of the admin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admin(VerifyingKey);

/// Why an order is not obeyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum BadOrder {
    /// Nobody can give orders here.
    #[error("this network has no admin: the file of its secret has no line `admin KEY`")]
    NoAdmin,
    /// It is not signed by the admin.
    #[error("the order is not signed by the admin of this network")]
    Forged,
    /// It does not hold any more, or not yet.
    #[error("the order does not hold now: it is too old, or a clock is wrong by more than a minute")]
    Untimely,
    /// It was given before the node started, maybe to end an earlier life.
    #[error("the order is older than this node")]
    Older,
}

/// Why an order to shut down was not passed on.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum NotPassedOn {
    /// It would not be obeyed.
    #[error(transparent)]
    Bad(#[from] BadOrder),
    /// The node that was asked cannot broadcast now.
    #[error("it is not a part of its network yet, or its disk is behind: try again, or another node")]
    Unable,
}

impl AdminKey {
    /// A new key, written to a new file at `path`.
    ///
    /// # Errors
    /// If there is such a file already, or it cannot be written, or the system gives no random numbers.
    pub fn create(path: impl AsRef<Path>) -> Result<AdminKey, KeysError> {
        let new = AdminKey(SigningKey::from_bytes(&private::random()?));
        private::write(path.as_ref(), &new.file_text(), private::Place::Free).map(|()| new)
    }

    /// The key in the file at `path`.
    ///
    /// # Errors
    /// If there is none, or it is not private or damaged.
    pub fn load(path: impl AsRef<Path>) -> Result<AdminKey, KeysError> {
        let path = path.as_ref();
        let text = private::read(path)?;
        AdminKey::parse(&text).map_err(|wrong| KeysError::Corrupt { file: path.to_owned(), wrong })
    }

    /// What nodes need to know.
    pub fn admin(&self) -> Admin {
        Admin(self.0.verifying_key())
    }

    /// The order to shut down, given `now`.
    pub fn order_shutdown(&self, now: Timestamp) -> String {
        let (given, until) = (now.micros(), now.micros().saturating_add(LIFETIME.as_micros() as u64));
        let signature = self.0.sign(&signed(&self.admin(), given, until));
        format!("{given} {until} {}", private::hex(&signature.to_bytes()))
    }

    fn file_text(&self) -> String {
        let (private, public) = (private::hex(self.0.as_bytes()), self.admin().text());
        format!(
            "# A network's admin key: who has it can shut the network down. Never copy it to the nodes.\nprivate {private}\npublic \
             {public}\n"
        )
    }

    fn parse(text: &str) -> Result<AdminKey, String> {
        let (private, public) = private::parse_pair(text)?;
        let key = AdminKey(SigningKey::from_bytes(&private));
        if key.0.verifying_key().as_bytes() != &public {
            return Err(private::MISMATCH.to_owned());
        }
        Ok(key)
    }
}

impl Admin {
    /// As it stands in files: 64 hexadecimal digits.
    pub fn text(&self) -> String {
        private::hex(self.0.as_bytes())
    }

    pub(super) fn parse(digits: &str) -> Result<Admin, String> {
        let key = VerifyingKey::from_bytes(&private::unhex(digits)?);
        key.map(Admin).map_err(|_| "this is not the public key of an admin".to_owned())
    }

    /// Whether a node that started at `started` obeys an order `now`.
    ///
    /// # Errors
    /// If not, why.
    pub fn check(&self, order: &str, now: Timestamp, started: Timestamp) -> Result<(), BadOrder> {
        let (given, until) = self.verify(order).ok_or(BadOrder::Forged)?;
        let (now, most) = (now.micros(), LIFETIME.as_micros() as u64);
        if now > until || given > now.saturating_add(most) || until.saturating_sub(given) > most {
            return Err(BadOrder::Untimely);
        }
        if given < started.micros() { Err(BadOrder::Older) } else { Ok(()) }
    }

    /// From when until when an order holds, if the admin gave it.
    fn verify(&self, order: &str) -> Option<(u64, u64)> {
        let words: Vec<&str> = order.split(' ').take(4).collect();
        let [given, until, signature] = words[..] else { return None };
        let (given, until) = (given.parse().ok()?, until.parse().ok()?);
        let signature = Signature::from_bytes(&private::unhex(signature).ok()?);
        self.0.verify_strict(&signed(self, given, until), &signature).ok()?;
        Some((given, until))
    }
}

fn signed(admin: &Admin, given: u64, until: u64) -> Vec<u8> {
    [DOMAIN, admin.0.as_bytes(), &given.to_le_bytes(), &until.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: u64 = 1_700_000_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(NOON.strict_add_signed(seconds * 1_000_000))
    }

    fn key(number: u8) -> AdminKey {
        AdminKey(SigningKey::from_bytes(&[number; 32]))
    }

    #[test]
    fn an_order_holds_for_a_minute_for_those_who_are_up_when_it_is_given() {
        let order = key(1).order_shutdown(at(0));
        let check = |now, started| key(1).admin().check(&order, at(now), at(started));
        let cases = [
            (0, -5, Ok(())),
            (60, 0, Ok(())),
            (-60, -70, Ok(())),
            (61, -5, Err(BadOrder::Untimely)),
            (-61, -70, Err(BadOrder::Untimely)),
            (5, 1, Err(BadOrder::Older)),
        ];
        for (now, started, expected) in cases {
            assert_eq!(check(now, started), expected, "{now} s after it was given, started at {started}");
        }
    }

    #[test]
    fn nobody_else_gives_orders() {
        let (admin, order) = (key(1).admin(), key(2).order_shutdown(at(0)));
        assert_eq!(admin.check(&order, at(1), at(-1)), Err(BadOrder::Forged));
        let order = key(1).order_shutdown(at(0));
        let (given, rest) = order.split_once(' ').unwrap();
        let (until, signature) = rest.split_once(' ').unwrap();
        let later: u64 = until.parse::<u64>().unwrap() + 1;
        for forged in [format!("{given} {later} {signature}"), format!("{order} "), String::new()] {
            assert_eq!(admin.check(&forged, at(1), at(-1)), Err(BadOrder::Forged), "{forged}");
        }
        let everlasting = signed(&admin, NOON, u64::MAX);
        let everlasting =
            format!("{NOON} {} {}", u64::MAX, private::hex(&key(1).0.sign(&everlasting).to_bytes()));
        assert_eq!(admin.check(&everlasting, at(1), at(-1)), Err(BadOrder::Untimely));
    }

    #[test]
    fn the_key_survives_its_file_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin");
        let made = AdminKey::create(&path).unwrap();
        assert!(matches!(AdminKey::create(&path), Err(KeysError::Exists(_))));
        assert_eq!(AdminKey::load(&path).unwrap().admin(), made.admin());
        assert_eq!(Admin::parse(&made.admin().text()), Ok(made.admin()));
        let damaged = made.file_text().replace(&made.admin().text(), &key(1).admin().text());
        assert_eq!(AdminKey::parse(&damaged).err().as_deref(), Some(private::MISMATCH));
    }

    proptest! {
        #[test]
        fn any_text_is_an_order_or_none(text in "[0-9a-f ]{0,200}|\\PC{0,40}") {
            prop_assert_eq!(key(1).admin().check(&text, at(0), at(0)), Err(BadOrder::Forged));
        }
    }
}
