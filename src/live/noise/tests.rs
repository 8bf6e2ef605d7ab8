//! Handshakes, among friends, with strangers, and under attack.

mod records;

use super::*;
use proptest::prelude::*;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep};

fn keys() -> Keypair {
    Keypair::random().unwrap()
}

fn secret() -> Secret {
    Secret::random().unwrap()
}

/// A session between two nodes over a stream that holds `room` bytes.
async fn sessions(room: usize) -> (Session<DuplexStream>, Session<DuplexStream>) {
    let (alice, bob, secret) = (keys(), keys(), secret());
    let (here, there) = duplex(room);
    let dialled = dial(here, &alice, &secret, b"I am Alice", Some(bob.public));
    let accepted = accept(there, &bob, [&secret], b"I am Bob");
    let (dialled, accepted) = tokio::join!(dialled, accepted);
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!((dialled.peer, &dialled.hello[..]), (bob.public, &b"I am Bob"[..]));
    assert_eq!((accepted.peer, &accepted.hello[..]), (alice.public, &b"I am Alice"[..]));
    (dialled, accepted)
}

/// What is left in a stream until its other end is closed.
async fn drain(mut stream: DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Reads until `length` bytes have come.
async fn read_all<R: AsyncRead + Unpin>(reader: &mut Reader<R>, length: usize) -> (Vec<u8>, usize) {
    let (mut plain, mut records) = (Vec::new(), 0);
    while plain.len() < length || records == 0 {
        reader.read(&mut plain).await.unwrap();
        records += 1;
    }
    (plain, records)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn a_stranger_gets_no_answer() {
    let (alice, bob) = (keys(), keys());
    let (here, there) = duplex(4_096);
    let (secret, other) = (secret(), secret());
    let dialled = dial(here, &alice, &secret, b"hello", None);
    let accepted = accept(there, &bob, [&other], b"nobody shall read this");
    let (dialled, accepted) = tokio::join!(dialled, accepted);
    assert!(matches!(accepted, Err(Refused::WrongSecret)));
    // (Nothing came back before the stream was closed: not even a part of an answer.)
    assert!(matches!(dialled, Err(Refused::Unanswered)));

    let first = first_message(&secret).await;
    let (mut here, there) = duplex(4_096);
    here.write_all(&first).await.unwrap();
    assert!(accept(there, &bob, [&other], b"hello").await.is_err());
    assert_eq!(drain(here).await, b"");
}

/// The first message of somebody who knows `secret`.
async fn first_message(secret: &Secret) -> Vec<u8> {
    let mut first = Vec::new();
    let me = keys();
    let mut noise = builder(&me, secret).unwrap().build_initiator().unwrap();
    send(&mut first, &mut noise, &[]).await.unwrap();
    assert_eq!(first.len(), LENGTH + FIRST);
    first
}

#[tokio::test]
async fn old_and_new_secrets_work_until_the_old_one_ends() {
    use crate::live::keys::Secrets;
    let hour = Duration::from_secs(3_600);
    #[expect(clippy::disallowed_types, reason = "secrets hold until a date")]
    let now = std::time::SystemTime::UNIX_EPOCH;
    let (alice, bob, old) = (keys(), keys(), secret());
    let (ahead, behind) = {
        let mut secrets = Secrets::new(old.clone());
        secrets.rotate(hour, now).unwrap();
        (secrets, Secrets::new(old))
    };
    for (dialer, accepter, now, works) in [
        (ahead.current(), &ahead, now, true),
        (behind.current(), &ahead, now, true),
        (ahead.previous(now).unwrap(), &behind, now, true),
        (ahead.current(), &behind, now, false),
        (ahead.current(), &ahead, now + hour, true),
        (behind.current(), &ahead, now + hour, false),
    ] {
        let (here, there) = duplex(100);
        let dialled = dial(here, &alice, dialer, b"", None);
        let accepted = accept(there, &bob, accepter.valid(now), b"");
        let (dialled, accepted) = tokio::join!(dialled, accepted);
        if works {
            assert!(dialled.is_ok() && accepted.is_ok());
        } else {
            assert!(matches!(dialled, Err(Refused::Unanswered)));
            assert!(matches!(accepted, Err(Refused::WrongSecret)));
        }
    }
}

#[tokio::test]
async fn another_identity_is_refused_before_we_show_ours() {
    let (alice, bob, secret) = (keys(), keys(), secret());
    let (here, there) = duplex(4_096);
    let expected = keys().public;
    let dialled = dial(here, &alice, &secret, b"", Some(expected));
    let (dialled, accepted) = tokio::join!(dialled, accept(there, &bob, [&secret], b""));
    let refused = dialled.unwrap_err();
    let Refused::WrongIdentity { expected: said, found } = refused else { panic!("{refused}") };
    assert_eq!((said, found), (expected, bob.public));
    assert!(refused.to_string().contains(&hex(&bob.public.0)));
    assert!(matches!(accepted, Err(Refused::Closed)));
}

#[tokio::test]
async fn a_node_refuses_itself() {
    let (alice, secret) = (keys(), secret());
    let (here, there) = duplex(4_096);
    let dialled = dial(here, &alice, &secret, b"", Some(keys().public));
    let (dialled, accepted) = tokio::join!(dialled, accept(there, &alice, [&secret], b""));
    assert!(matches!(dialled, Err(Refused::Myself)));
    assert!(matches!(accepted, Err(Refused::Closed)));
    // And if the dialer does not mind.
    let (here, there) = duplex(4_096);
    let careless = async {
        let (mut here, mut noise) = (here, builder(&alice, &secret).unwrap().build_initiator().unwrap());
        first_exchange(&mut here, &mut noise).await.unwrap();
        send(&mut here, &mut noise, b"").await.unwrap();
        here
    };
    let (_here, accepted) = tokio::join!(careless, accept(there, &alice, [&secret], b""));
    assert!(matches!(accepted, Err(Refused::Myself)));
}

/// X25519, but the key that is set is the point zero: every exchange with it gives zero, as anybody can
/// tell.
struct Zero {
    honest: Box<dyn Dh>,
    set: bool,
}

impl Dh for Zero {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, _: &[u8]) {
        self.set = true;
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), snow::Error> {
        self.honest.generate(random)
    }

    fn pubkey(&self) -> &[u8] {
        if self.set { &[0; 32] } else { self.honest.pubkey() }
    }

    fn privkey(&self) -> &[u8] {
        self.honest.privkey()
    }

    fn dh(&self, public: &[u8], shared: &mut [u8]) -> Result<(), snow::Error> {
        if self.set {
            shared.fill(0);
            return Ok(());
        }
        self.honest.dh(public, shared)
    }
}

struct Forger;

impl CryptoResolver for Forger {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(Zero { honest: DefaultResolver.resolve_dh(choice)?, set: false }))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

#[tokio::test]
async fn an_identity_that_anybody_can_take_is_refused() {
    let (bob, secret) = (keys(), secret());
    let (mut here, there) = duplex(4_096);
    let forged = async {
        let noise = Builder::with_resolver(PATTERN.parse().unwrap(), Box::new(Forger))
            .local_private_key(&[1; 32])
            .and_then(|builder| builder.psk(0, secret.bytes()))
            .and_then(|builder| builder.prologue(PROLOGUE));
        let mut noise = noise.unwrap().build_initiator().unwrap();
        first_exchange(&mut here, &mut noise).await.unwrap();
        send(&mut here, &mut noise, b"").await.unwrap();
    };
    let ((), accepted) = tokio::join!(forged, accept(there, &bob, [&secret], b""));
    let refused = accepted.unwrap_err().to_string();
    assert!(refused.contains("that anybody can use"), "{refused}");
}

/// A whole handshake, and what each side sent.
async fn recorded(alice: &Keypair, bob: &Keypair, secret: &Secret) -> (Vec<u8>, Vec<u8>) {
    let (here, near) = duplex(4_096);
    let (far, there) = duplex(4_096);
    let (mut near_in, mut near_out) = tokio::io::split(near);
    let (mut far_in, mut far_out) = tokio::io::split(far);
    let said = async {
        let mut bytes = vec![0; 50];
        near_in.read_exact(&mut bytes).await.unwrap();
        far_out.write_all(&bytes).await.unwrap();
        let length = near_in.read_u16().await.unwrap();
        let mut third = vec![0; length.into()];
        near_in.read_exact(&mut third).await.unwrap();
        bytes.extend(length.to_be_bytes());
        bytes.extend(third);
        far_out.write_all(&bytes[50..]).await.unwrap();
        bytes
    };
    let answered = async {
        let length = far_in.read_u16().await.unwrap();
        let mut bytes = vec![0; length.into()];
        far_in.read_exact(&mut bytes).await.unwrap();
        let bytes = [&length.to_be_bytes()[..], &bytes].concat();
        near_out.write_all(&bytes).await.unwrap();
        bytes
    };
    let dialled = dial(here, alice, secret, b"a", None);
    let accepted = accept(there, bob, [secret], b"b");
    let (said, answered, dialled, accepted) = tokio::join!(said, answered, dialled, accepted);
    assert!(dialled.is_ok() && accepted.is_ok());
    (said, answered)
}

#[tokio::test(start_paused = true)]
async fn repeated_handshakes_come_to_nothing() {
    let (alice, bob, secret) = (keys(), keys(), secret());
    let (said, answered) = recorded(&alice, &bob, &secret).await;
    // All of what Alice said, to Bob.
    let (mut here, there) = duplex(4_096);
    here.write_all(&said).await.unwrap();
    let refused = accept(there, &bob, [&secret], b"b").await.unwrap_err();
    assert!(matches!(refused, Refused::Protocol(_)), "{refused}");
    // He answers the first message, but never the same.
    let answer = drain(here).await;
    assert!(answer.len() == answered.len() && answer != answered);
    // Her first message alone.
    let (mut here, there) = duplex(4_096);
    here.write_all(&said[..LENGTH + FIRST]).await.unwrap();
    assert!(matches!(accept(there, &bob, [&secret], b"b").await, Err(Refused::Timeout)));
    // What Bob answered, to Alice.
    let (here, mut there) = duplex(4_096);
    there.write_all(&answered).await.unwrap();
    let refused = dial(here, &alice, &secret, b"a", None).await.unwrap_err();
    assert!(matches!(refused, Refused::Protocol(_)), "{refused}");
    // What Alice says, back to her.
    let (here, there) = duplex(4_096);
    let mirror = async {
        let (mut reading, mut writing) = tokio::io::split(there);
        let _ = tokio::io::copy(&mut reading, &mut writing).await;
    };
    let (refused, ()) = tokio::join!(dial(here, &alice, &secret, b"a", None), mirror);
    assert!(matches!(refused, Err(Refused::Protocol(_))));
}

#[tokio::test(start_paused = true)]
async fn every_flipped_bit_of_a_handshake_is_refused() {
    let (alice, bob, secret) = (keys(), keys(), secret());
    let (said, answered) = recorded(&alice, &bob, &secret).await;
    for bit in 0..8 * (LENGTH + FIRST) {
        let mut first = said[..LENGTH + FIRST].to_vec();
        first[bit / 8] ^= 1 << (bit % 8);
        let (mut here, there) = duplex(4_096);
        here.write_all(&first).await.unwrap();
        assert!(matches!(accept(there, &bob, [&secret], b"b").await, Err(Refused::WrongSecret)));
        assert_eq!(drain(here).await, b"");
    }
    for (from_dialer, length) in [(false, answered.len()), (true, said.len() - LENGTH - FIRST)] {
        for bit in 0..8 * length {
            let (here, near) = duplex(4_096);
            let (far, there) = duplex(4_096);
            let (mut near_in, mut near_out) = tokio::io::split(near);
            let (mut far_in, mut far_out) = tokio::io::split(far);
            let at = |dialer| (dialer == from_dialer).then_some(bit);
            let relay = async {
                let there = pass(&mut near_in, &mut far_out, LENGTH + FIRST, at(true));
                let back = pass(&mut far_in, &mut near_out, 0, at(false));
                tokio::join!(there, back)
            };
            let dialled = async { dial(here, &alice, &secret, b"a", None).await.err() };
            let accepted = async { accept(there, &bob, [&secret], b"b").await.err() };
            let (dialled, accepted, _) = tokio::join!(dialled, accepted, relay);
            assert!(accepted.is_some() && (from_dialer || dialled.is_some()), "bit {bit}");
        }
    }
}

/// Passes on what comes, after `skip` bytes with one bit flipped.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    skip: usize,
    bit: Option<usize>,
) {
    let (mut chunk, mut passed) = ([0; 512], 0);
    loop {
        let read = from.read(&mut chunk).await.unwrap_or(0);
        if let Some(bit) = bit.filter(|bit| (passed..passed + read).contains(&(skip + bit / 8))) {
            chunk[skip + bit / 8 - passed] ^= 1 << (bit % 8);
        }
        passed += read;
        if read == 0 || to.write_all(&chunk[..read]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}

#[tokio::test]
async fn handshakes_that_end_early_or_are_too_long_are_refused() {
    let (alice, bob, secret) = (keys(), keys(), secret());
    let (said, answered) = recorded(&alice, &bob, &secret).await;
    for length in 0..said.len() {
        let (mut here, there) = duplex(4_096);
        here.write_all(&said[..length]).await.unwrap();
        here.shutdown().await.unwrap();
        let refused = accept(there, &bob, [&secret], b"b").await.unwrap_err();
        assert!(matches!(refused, Refused::Closed), "{length}: {refused}");
    }
    for length in 0..answered.len() {
        let (here, mut there) = duplex(4_096);
        there.write_all(&answered[..length]).await.unwrap();
        there.shutdown().await.unwrap();
        let refused = dial(here, &alice, &secret, b"a", None).await.unwrap_err();
        assert!(matches!(refused, Refused::Unanswered), "{length}: {refused}");
    }
    // Lengths beyond the limit are refused at once: nothing follows them here, and nobody waits for it.
    for length in [MOST_HANDSHAKE + 1, 65_535] {
        let long = (length as u16).to_be_bytes();
        let (mut here, there) = duplex(4_096);
        here.write_all(&long).await.unwrap();
        assert!(matches!(accept(there, &bob, [&secret], b"").await, Err(Refused::WrongSecret)));
        let (mut here, there) = duplex(4_096);
        here.write_all(&[&first_message(&secret).await[..], &long].concat()).await.unwrap();
        assert!(matches!(accept(there, &bob, [&secret], b"").await, Err(Refused::Protocol(_))));
        let (here, mut there) = duplex(4_096);
        there.write_all(&long).await.unwrap();
        assert!(matches!(dial(here, &alice, &secret, b"", None).await, Err(Refused::Protocol(_))));
    }
}

#[tokio::test]
async fn greetings_have_a_limit_on_both_sides() {
    let (alice, bob, secret) = (keys(), keys(), secret());
    let longest = [7; MOST_HELLO];
    let (here, there) = duplex(100);
    let dialled = dial(here, &alice, &secret, &longest, None);
    let (dialled, accepted) = tokio::join!(dialled, accept(there, &bob, [&secret], &longest));
    assert_eq!((&dialled.unwrap().hello[..], &accepted.unwrap().hello[..]), (&longest[..], &longest[..]));
    let long = [7; MOST_HELLO + 1];
    let (here, there) = duplex(100);
    assert!(matches!(dial(here, &alice, &secret, &long, None).await, Err(Refused::Protocol(_))));
    assert!(matches!(accept(there, &bob, [&secret], &long).await, Err(Refused::Protocol(_))));
    // One who sends more than it should.
    let (here, there) = duplex(4_096);
    let careless = async {
        let (mut here, mut noise) = (here, builder(&alice, &secret).unwrap().build_initiator().unwrap());
        first_exchange(&mut here, &mut noise).await.unwrap();
        send(&mut here, &mut noise, &long).await.unwrap();
        here
    };
    let (_here, accepted) = tokio::join!(careless, accept(there, &bob, [&secret], b""));
    assert!(matches!(accepted, Err(Refused::Protocol("a greeting is too long"))));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_slow_is_dropped_after_five_seconds() {
    let (alice, bob, secret) = (keys(), keys(), secret());
    let first = first_message(&secret).await;
    // One byte a second, or nothing at all, or nothing after the first message.
    for (bytes, pause) in [(&first[..], 1), (&[], 1), (&first, 0)] {
        let (here, there) = duplex(4_096);
        let begin = Instant::now();
        let slow = async {
            let mut here = here;
            for byte in bytes {
                if here.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_secs(pause)).await;
            }
            here
        };
        let accepting = async {
            let accepted = accept(there, &bob, [&secret], b"").await;
            assert!(matches!(accepted, Err(Refused::Timeout)));
            assert_eq!(begin.elapsed(), HANDSHAKE_TIME);
        };
        tokio::join!(slow, accepting);
    }
    // Nobody answers; nobody reads what we send.
    for room in [4_096, 1] {
        let (here, _there) = duplex(room);
        let begin = Instant::now();
        assert!(matches!(dial(here, &alice, &secret, b"", None).await, Err(Refused::Timeout)));
        assert_eq!(begin.elapsed(), HANDSHAKE_TIME);
    }
    // A responder whose answer is not read.
    let (mut here, there) = duplex(60);
    here.write_all(&first).await.unwrap();
    assert!(matches!(accept(there, &bob, [&secret], &[0; 400]).await, Err(Refused::Timeout)));
}

#[tokio::test]
async fn a_stranger_makes_us_hold_little() {
    let (bob, secret) = (keys(), secret());
    let (_here, there) = duplex(1);
    let small = size_of_val(&accept(there, &bob, [&secret], b""));
    assert!(small <= 1_024, "{small} bytes");
}

#[test]
fn futures_and_halves_can_be_moved_between_threads() {
    fn check<T: Send>(_: T) {}
    let (me, secret) = (keys(), secret());
    check(async {
        let secrets = crate::live::keys::Secrets::new(secret.clone());
        let session = accept(duplex(1).0, &me, [secrets.current()], b"").await;
        let mut session = session.unwrap();
        session.writer.write(b"").await.unwrap();
        session.reader.read(&mut Vec::new()).await.unwrap();
    });
    check(dial(duplex(1).0, &me, &secret, b"", None));
}

/// Runs one case with a clock of its own, which does not make us wait.
fn run<T>(case: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(case)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_get_no_answer(
        honest_length: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        ends: bool,
    ) {
        let mut bytes = bytes;
        if honest_length {
            bytes.splice(..bytes.len().min(2), [0, 48]);
        }
        let answer = run(async {
            let (bob, secret) = (keys(), secret());
            let (mut here, there) = duplex(4_096);
            here.write_all(&bytes).await.unwrap();
            if ends {
                here.shutdown().await.unwrap();
            }
            assert!(accept(there, &bob, [&secret], b"hello").await.is_err());
            drain(here).await
        });
        prop_assert_eq!(answer, b"");
    }

    #[test]
    fn random_answers_are_refused(
        length in 0u16..1_200,
        bytes in prop::collection::vec(any::<u8>(), 0..1_200),
    ) {
        run(async {
            let (alice, bob, secret) = (keys(), keys(), secret());
            let bytes = [&length.to_be_bytes()[..], &bytes].concat();
            let (here, mut there) = duplex(4_096);
            there.write_all(&bytes).await.unwrap();
            assert!(dial(here, &alice, &secret, b"hello", None).await.is_err());
            let (mut here, there) = duplex(4_096);
            here.write_all(&[first_message(&secret).await, bytes].concat()).await.unwrap();
            assert!(accept(there, &bob, [&secret], b"hello").await.is_err());
        });
    }

    #[test]
    fn any_sizes_come_through_any_stream(
        sizes in prop::collection::vec(prop_oneof![0..300usize, 60_000..70_000usize], 0..12),
        room in 1..5_000usize,
    ) {
        run(async {
            let (mut alice, mut bob) = sessions(room).await;
            let writing = async {
                for size in &sizes {
                    alice.writer.write(&pattern(*size)).await.unwrap();
                }
                alice.writer.close().await.unwrap();
            };
            let reading = async {
                for size in &sizes {
                    assert!(read_all(&mut bob.reader, *size).await.0 == pattern(*size));
                }
                assert!(matches!(bob.reader.read(&mut Vec::new()).await, Err(Broken::Closed)));
            };
            tokio::join!(writing, reading);
        });
    }
}
