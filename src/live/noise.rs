//! Secured sessions: two nodes of one network prove to each other who they are, and then exchange records
//! that nobody else can read, change, repeat or reorder.
//!
//! The handshake is Noise `XXpsk0`: both show their public keys, which are their identities, and the secret
//! of the network is mixed in before everything else. So a stranger is turned away at the first message,
//! without an answer. (Whoever recorded a first message can repeat it and gets an answer, which tells nothing
//! but that there is a node.)
//!
//! On the wire each message, and later each record, follows its length as a big-endian u16. The end of a
//! session is not proved: a cut between two records looks like one.

use super::keys::{Keypair, Secret, hex, is_provable};
use crate::id::Identity;
use snow::{Builder, HandshakeState, StatelessTransportState};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

/// A handshake that takes longer is given up.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// The longest greeting, in bytes, that either side sends with the handshake.
pub const MOST_HELLO: usize = 512;

/// The most plaintext in one record, in bytes.
pub const MOST_PLAIN: usize = MOST_RECORD - TAG;

/// The longest record, as Noise has it.
const MOST_RECORD: usize = 65_535;

/// The proof of authenticity at the end of whatever is encrypted.
const TAG: usize = 16;

/// Bytes of the length before a message or record.
const LENGTH: usize = 2;

/// Longer handshake messages are refused before they are read.
const MOST_HANDSHAKE: usize = 1_024;

/// The first message is always this long: a public key for this session, and a tag that takes the secret.
const FIRST: usize = 32 + TAG;

/// A session ends after so many records in one direction. Noise allows 2^64; nobody comes near either.
const MOST_RECORDS: u64 = 1 << 48;

/// What a session reads at once, in bytes, until its peer sends longer records.
const READ_AT_ONCE: usize = 4_096;

const PATTERN: &str = "Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s";

/// Both sides mix this in, so that nodes which speak different versions refuse each other at the first
/// message.
const PROLOGUE: &[u8] = b"rumormill live 1";

/// Why a handshake came to nothing. The stream is closed then.
#[derive(Debug, Error)]
pub enum Refused {
    /// It was not complete in [`HANDSHAKE_TIME`].
    #[error("the handshake was not complete after {} seconds", HANDSHAKE_TIME.as_secs())]
    Timeout,
    /// The stream failed.
    #[error("the connection failed during the handshake: {0}")]
    Io(#[source] io::Error),
    /// The other side closed the stream in the middle of the handshake.
    #[error("the other side closed the connection during the handshake")]
    Closed,
    /// The other side closed the stream instead of answering our first message. A dialer may try a previous
    /// secret.
    #[error(
        "the other side closed the connection without an answer: has it another secret, or another version?"
    )]
    Unanswered,
    /// Who dialled us knows none of our secrets.
    #[error("a stranger: it has another secret, or another version, or speaks something else")]
    WrongSecret,
    /// We reached another node than the one we dialled.
    #[error("another node answered: expected {}, found {}", hex(&.expected.0), hex(&.found.0))]
    WrongIdentity {
        /// Whom we dialled.
        expected: Identity,
        /// Who answered.
        found: Identity,
    },
    /// The other side is this node itself, or one with a copy of its keys.
    #[error(
        "the other side has our own identity: a node dialled itself, or two nodes share one file of keys"
    )]
    Myself,
    /// The other side, though it knows the secret, does not keep to the protocol.
    #[error("the handshake went wrong: {0}")]
    Protocol(&'static str),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => Refused::Closed,
            _ => Refused::Io(error),
        }
    }
}

/// Why a session ended. Nothing more can be read or written on the half that says so.
#[derive(Debug, Error)]
pub enum Broken {
    /// The stream ended between two records.
    #[error("the other side closed the connection")]
    Closed,
    /// The stream ended within a record.
    #[error("the connection was cut off in the middle of a record")]
    CutOff,
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// A record is not what the other side sent, or not in its turn.
    #[error("a record was damaged or forged")]
    Forged,
    /// The session has carried as many records as are safe.
    #[error("the session is worn out: connect again")]
    WornOut,
    /// We closed it, or an earlier call failed, or was dropped before a record was written completely.
    #[error("the session was closed or failed before")]
    Before,
}

/// A secured connection to `peer`. Its halves can go to two tasks; it is closed when both are dropped.
pub struct Session<S> {
    /// Who is on the other side; it has proved that.
    pub peer: Identity,
    /// What it said with the handshake: at most [`MOST_HELLO`] bytes.
    pub hello: Vec<u8>,
    /// Receives records.
    pub reader: Reader<ReadHalf<S>>,
    /// Sends records.
    pub writer: Writer<WriteHalf<S>>,
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Session").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Opens a session over `stream`, which we opened, with one of the network's secrets: the current one, and
/// once more, over a new stream, a previous one that still holds, if the answer was [`Refused::Unanswered`].
///
/// `hello` (at most [`MOST_HELLO`] bytes) reaches the other side once it has proved who it is. With
/// `expected`, any other identity is refused before we show ours.
pub async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    me: &Keypair,
    secret: &Secret,
    hello: &[u8],
    expected: Option<Identity>,
) -> Result<Session<S>, Refused> {
    in_time(async {
        let mut stream = stream;
        check_hello(hello)?;
        let mut noise = Box::new(builder(me, secret)?.build_initiator().map_err(unusable)?);
        let answer = first_exchange(&mut stream, &mut noise).await;
        let theirs = answer.map_err(|refused| match refused {
            Refused::Closed => Refused::Unanswered,
            other => other,
        })?;
        let peer = identify(&noise, me)?;
        if let Some(expected) = expected.filter(|expected| *expected != peer) {
            return Err(Refused::WrongIdentity { expected, found: peer });
        }
        send(&mut stream, &mut noise, hello).await?;
        start(stream, noise, peer, theirs)
    })
    .await
}

/// Opens a session over `stream`, which another node opened, if that knows one of `secrets`
/// ([`Secrets::valid`](super::keys::Secrets::valid)).
///
/// `hello` (at most [`MOST_HELLO`] bytes) reaches whoever knows the secret. A stranger gets no answer at all,
/// and makes us hold this future, of less than 1 kB, for [`HANDSHAKE_TIME`] at most: so bound how many there
/// are at once. Whoever drops the future closes the stream.
pub async fn accept<'s, S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    me: &Keypair,
    secrets: impl IntoIterator<Item = &'s Secret>,
    hello: &[u8],
) -> Result<Session<S>, Refused> {
    in_time(async {
        let mut stream = stream;
        check_hello(hello)?;
        let first = receive_first(&mut stream).await?;
        let mut noise = unlock(me, secrets, &first)?;
        send(&mut stream, &mut noise, hello).await?;
        let theirs = receive(&mut stream, &mut noise).await?;
        let peer = identify(&noise, me)?;
        start(stream, noise, peer, theirs)
    })
    .await
}

async fn in_time<T>(handshake: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    timeout(HANDSHAKE_TIME, handshake).await.map_err(|_| Refused::Timeout)?
}

fn check_hello(hello: &[u8]) -> Result<(), Refused> {
    if hello.len() > MOST_HELLO { Err(Refused::Protocol("our own greeting is too long")) } else { Ok(()) }
}

fn builder<'k>(me: &'k Keypair, secret: &'k Secret) -> Result<Builder<'k>, Refused> {
    let build = || {
        Builder::new(PATTERN.parse()?)
            .local_private_key(me.private())?
            .psk(0, secret.bytes())?
            .prologue(PROLOGUE)
    };
    build().map_err(unusable)
}

fn unusable(_: snow::Error) -> Refused {
    Refused::Protocol("this system's cryptography fails")
}

/// Sends the dialer's first message, and receives the answer's greeting.
async fn first_exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    noise: &mut HandshakeState,
) -> Result<Vec<u8>, Refused> {
    send(stream, noise, &[]).await?;
    receive(stream, noise).await
}

/// Reads the first message of whoever dialled us. (No more than that is ever read of a stranger's words.)
async fn receive_first<S: AsyncRead + Unpin>(stream: &mut S) -> Result<[u8; FIRST], Refused> {
    let mut length = [0; LENGTH];
    stream.read_exact(&mut length).await?;
    if usize::from(u16::from_be_bytes(length)) != FIRST {
        return Err(Refused::WrongSecret);
    }
    let mut first = [0; FIRST];
    stream.read_exact(&mut first).await?;
    Ok(first)
}

/// The handshake after its `first` message, with the secret that fits it.
fn unlock<'s>(
    me: &Keypair,
    secrets: impl IntoIterator<Item = &'s Secret>,
    first: &[u8; FIRST],
) -> Result<Box<HandshakeState>, Refused> {
    for secret in secrets {
        let mut noise = Box::new(builder(me, secret)?.build_responder().map_err(unusable)?);
        if noise.read_message(first, &mut []).is_ok() {
            return Ok(noise);
        }
    }
    Err(Refused::WrongSecret)
}

/// Sends the next handshake message, with `hello` inside.
async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    noise: &mut HandshakeState,
    hello: &[u8],
) -> Result<(), Refused> {
    let mut message = vec![0; LENGTH + MOST_HANDSHAKE];
    let length = noise.write_message(hello, &mut message[LENGTH..]).map_err(unusable)?;
    message.truncate(LENGTH + length);
    // (At most MOST_HANDSHAKE, which a u16 holds.)
    message[..LENGTH].copy_from_slice(&(length as u16).to_be_bytes());
    stream.write_all(&message).await?;
    Ok(stream.flush().await?)
}

/// Receives the next handshake message, and returns the greeting inside.
async fn receive<S: AsyncRead + Unpin>(
    stream: &mut S,
    noise: &mut HandshakeState,
) -> Result<Vec<u8>, Refused> {
    let length = usize::from(stream.read_u16().await?);
    if length > MOST_HANDSHAKE {
        return Err(Refused::Protocol("a message is too long"));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    let mut hello = vec![0; length];
    let length = noise.read_message(&message, &mut hello);
    hello.truncate(length.map_err(|_| Refused::Protocol("a message was damaged or forged"))?);
    if hello.len() > MOST_HELLO {
        return Err(Refused::Protocol("a greeting is too long"));
    }
    Ok(hello)
}

/// Who is on the other side, if that can be someone.
fn identify(noise: &HandshakeState, me: &Keypair) -> Result<Identity, Refused> {
    let key = noise.get_remote_static().and_then(|key| <[u8; 32]>::try_from(key).ok());
    let peer = Identity(key.ok_or(Refused::Protocol("there was no public key"))?);
    if peer == me.public {
        return Err(Refused::Myself);
    }
    if !is_provable(&peer) {
        return Err(Refused::Protocol("the other side's public key is one that anybody can use"));
    }
    Ok(peer)
}

fn start<S: AsyncRead + AsyncWrite>(
    stream: S,
    noise: Box<HandshakeState>,
    peer: Identity,
    hello: Vec<u8>,
) -> Result<Session<S>, Refused> {
    let noise = Arc::new(noise.into_stateless_transport_mode().map_err(unusable)?);
    let (reading, writing) = tokio::io::split(stream);
    let (reader, writer) = (Reader::new(reading, noise.clone()), Writer::new(writing, noise));
    Ok(Session { peer, hello, reader, writer })
}

/// The half of a session that receives.
pub struct Reader<R> {
    stream: R,
    noise: Arc<StatelessTransportState>,
    /// The number of the next record.
    record: u64,
    /// What has come, from `start` to `end`; the rest is room.
    wire: Vec<u8>,
    start: usize,
    end: usize,
    broken: bool,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    fn new(stream: R, noise: Arc<StatelessTransportState>) -> Reader<R> {
        Reader { stream, noise, record: 0, wire: Vec::new(), start: 0, end: 0, broken: false }
    }

    /// Appends the plaintext of the next record, at most [`MOST_PLAIN`] bytes, to `plain`. The future may be
    /// dropped at any time: nothing is lost.
    pub async fn read(&mut self, plain: &mut Vec<u8>) -> Result<(), Broken> {
        if self.broken {
            return Err(Broken::Before);
        }
        let read = self.read_record(plain).await;
        self.broken = read.is_err();
        read
    }

    async fn read_record(&mut self, plain: &mut Vec<u8>) -> Result<(), Broken> {
        self.fill(LENGTH).await?;
        let length = usize::from(u16::from_be_bytes([self.wire[self.start], self.wire[self.start + 1]]));
        if length < TAG {
            return Err(Broken::Forged);
        }
        self.fill(LENGTH + length).await?;
        let number = next_number(&mut self.record)?;
        let record = &self.wire[self.start + LENGTH..][..length];
        let before = plain.len();
        plain.resize(before + length - TAG, 0);
        if self.noise.read_message(number, record, &mut plain[before..]).is_err() {
            plain.truncate(before);
            return Err(Broken::Forged);
        }
        self.start += LENGTH + length;
        Ok(())
    }

    /// Reads until there are `wanted` bytes, and whatever else has come.
    async fn fill(&mut self, wanted: usize) -> Result<(), Broken> {
        while self.end - self.start < wanted {
            self.make_room(wanted);
            let read = self.stream.read(&mut self.wire[self.end..]).await?;
            if read == 0 {
                return Err(if self.start == self.end { Broken::Closed } else { Broken::CutOff });
            }
            self.end += read;
        }
        Ok(())
    }

    fn make_room(&mut self, wanted: usize) {
        if self.start == self.end || self.wire.len() - self.start < wanted {
            self.wire.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.wire.len() < wanted {
            self.wire.resize(wanted.max(READ_AT_ONCE), 0);
        }
    }
}

/// The half of a session that sends.
pub struct Writer<W> {
    stream: W,
    noise: Arc<StatelessTransportState>,
    /// The number of the next record.
    record: u64,
    /// Room for one record with its length, as long as the longest so far.
    wire: Vec<u8>,
    broken: bool,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    fn new(stream: W, noise: Arc<StatelessTransportState>) -> Writer<W> {
        Writer { stream, noise, record: 0, wire: Vec::new(), broken: false }
    }

    /// Sends all of `plain`, in as few records as it takes, each by one write. (Nothing is one empty record.)
    ///
    /// If the future is dropped before it is done, the session is broken: a record may have been torn.
    pub async fn write(&mut self, plain: &[u8]) -> Result<(), Broken> {
        if self.broken {
            return Err(Broken::Before);
        }
        self.broken = true;
        let (mut now, mut rest) = plain.split_at(plain.len().min(MOST_PLAIN));
        self.write_record(now).await?;
        while !rest.is_empty() {
            (now, rest) = rest.split_at(rest.len().min(MOST_PLAIN));
            self.write_record(now).await?;
        }
        self.stream.flush().await?;
        self.broken = false;
        Ok(())
    }

    /// Tells the other side that nothing more comes. We can still read.
    pub async fn close(&mut self) -> Result<(), Broken> {
        self.broken = true;
        Ok(self.stream.shutdown().await?)
    }

    async fn write_record(&mut self, plain: &[u8]) -> Result<(), Broken> {
        let number = next_number(&mut self.record)?;
        let length = plain.len() + TAG;
        if self.wire.len() < LENGTH + length {
            self.wire.resize(LENGTH + length, 0);
        }
        let (head, record) = self.wire.split_at_mut(LENGTH);
        // (At most MOST_RECORD, which a u16 holds.)
        head.copy_from_slice(&(length as u16).to_be_bytes());
        // (It fails only without room, or when the numbers run out: see above for both.)
        self.noise.write_message(number, plain, record).map_err(|_| Broken::WornOut)?;
        Ok(self.stream.write_all(&self.wire[..LENGTH + length]).await?)
    }
}

/// Counts a record. No number may be used twice: that would give the plaintext away.
fn next_number(record: &mut u64) -> Result<u64, Broken> {
    let number = *record;
    if number >= MOST_RECORDS {
        return Err(Broken::WornOut);
    }
    *record += 1;
    Ok(number)
}

#[cfg(test)]
mod tests {
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
    async fn all_sizes_go_there_and_back_in_few_records() {
        let (mut alice, mut bob) = sessions(1_000).await;
        for length in [0, 1, 2, 4_077, 4_078, 4_096, 65_518, 65_519, 65_520, 131_038, 131_039, 1 << 20] {
            let sent = pattern(length);
            let echo = async {
                let (plain, records) = read_all(&mut bob.reader, length).await;
                assert_eq!(records, length.div_ceil(MOST_PLAIN).max(1), "{length}");
                bob.writer.write(&plain).await.unwrap();
            };
            let ask = async {
                alice.writer.write(&sent).await.unwrap();
                read_all(&mut alice.reader, length).await.0
            };
            let ((), back) = tokio::join!(echo, ask);
            assert!(back == sent, "{length} bytes came back changed");
        }
    }

    #[tokio::test]
    async fn halves_run_in_two_tasks_over_real_tcp() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (alice, bob, secret) = (keys(), keys(), secret());
        let (copy, other) = (secret.clone(), bob.public);
        let accepting = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            accept(stream, &bob, [&copy], b"").await.unwrap()
        });
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let here = dial(stream, &alice, &secret, b"", Some(other)).await.unwrap();
        let there = accepting.await.unwrap();
        let mut tasks = Vec::new();
        for (mut reader, mut writer) in [(here.reader, here.writer), (there.reader, there.writer)] {
            tasks.push(tokio::spawn(async move {
                for length in 0..300 {
                    writer.write(&pattern(length * 100)).await.unwrap();
                }
                writer.close().await.unwrap();
            }));
            tasks.push(tokio::spawn(async move {
                let mut plain = Vec::new();
                for length in 0..300 {
                    plain.clear();
                    reader.read(&mut plain).await.unwrap();
                    assert!(plain == pattern(length * 100));
                }
                assert!(matches!(reader.read(&mut plain).await, Err(Broken::Closed)));
                assert!(matches!(reader.read(&mut plain).await, Err(Broken::Before)));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
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

    /// The two ends of one direction, as buffers: what the writer wrote can be tampered with.
    async fn tamper() -> (Writer<Vec<u8>>, impl Fn(Vec<u8>) -> Reader<io::Cursor<Vec<u8>>>) {
        let (alice, bob) = sessions(1_000).await;
        let noise = bob.reader.noise.clone();
        (Writer::new(Vec::new(), alice.writer.noise.clone()), move |bytes| {
            Reader::new(io::Cursor::new(bytes), noise.clone())
        })
    }

    #[tokio::test]
    async fn every_flipped_bit_ends_the_session() {
        let (mut writer, reader) = tamper().await;
        for plain in ["", "first", "a second record"] {
            writer.write(plain.as_bytes()).await.unwrap();
        }
        let wire = writer.stream;
        for bit in 0..8 * wire.len() {
            let mut flipped = wire.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (mut reader, mut plain) = (reader(flipped), Vec::new());
            let broken = loop {
                if let Err(broken) = reader.read(&mut plain).await {
                    break broken;
                }
            };
            assert!(matches!(broken, Broken::Forged | Broken::CutOff), "bit {bit}: {broken}");
            assert!(b"firsta second record".starts_with(&plain) && plain.len() < 20, "bit {bit}");
            assert!(matches!(reader.read(&mut plain).await, Err(Broken::Before)));
        }
    }

    #[tokio::test]
    async fn records_pass_only_once_and_in_their_turn() {
        let (mut writer, reader) = tamper().await;
        writer.write(b"one").await.unwrap();
        let one = std::mem::take(&mut writer.stream);
        writer.write(b"two").await.unwrap();
        let two = std::mem::take(&mut writer.stream);
        for (bytes, good) in
            [(vec![&one, &one], 1), (vec![&two], 0), (vec![&two, &one], 0), (vec![&one, &two, &one], 2)]
        {
            let (mut reader, mut plain) =
                (reader(bytes.into_iter().flatten().copied().collect()), Vec::new());
            for _ in 0..good {
                reader.read(&mut plain).await.unwrap();
            }
            assert!(matches!(reader.read(&mut plain).await, Err(Broken::Forged)));
        }
        // A record of ours, sent back to us.
        let mut plain = Vec::new();
        let mut mirrored = Reader::new(&one[..], writer.noise.clone());
        assert!(matches!(mirrored.read(&mut plain).await, Err(Broken::Forged)));
    }

    #[tokio::test]
    async fn a_cut_is_told_from_an_end() {
        let (mut writer, reader) = tamper().await;
        writer.write(b"one").await.unwrap();
        let wire = writer.stream;
        for length in 0..=wire.len() {
            let (mut reader, mut plain) = (reader(wire[..length].to_vec()), Vec::new());
            let end = loop {
                if let Err(end) = reader.read(&mut plain).await {
                    break end;
                }
            };
            let between = length == 0 || length == wire.len();
            assert!(matches!(end, Broken::Closed) == between && matches!(end, Broken::CutOff) != between);
        }
    }

    #[tokio::test]
    async fn a_read_may_be_dropped_and_a_write_may_not() {
        let (mut alice, mut bob) = sessions(10).await;
        let sent = pattern(500);
        let mut plain = Vec::new();
        {
            let write = alice.writer.write(&sent);
            tokio::pin!(write);
            // Each turn drops a read that is half done.
            while plain.is_empty() {
                tokio::select! {
                    biased;
                    read = bob.reader.read(&mut plain) => read.unwrap(),
                    written = &mut write => written.unwrap(),
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        assert_eq!(plain, sent);
        alice.writer.broken = false;
        tokio::select! {
            biased;
            _ = alice.writer.write(&sent) => panic!("ten bytes hold no record"),
            () = tokio::task::yield_now() => {}
        }
        assert!(matches!(alice.writer.write(b"").await, Err(Broken::Before)));
    }

    #[tokio::test]
    async fn a_session_wears_out_in_time() {
        let (mut alice, mut bob) = sessions(1_000).await;
        (alice.writer.record, bob.reader.record) = (MOST_RECORDS - 1, MOST_RECORDS - 1);
        alice.writer.write(b"the last").await.unwrap();
        let mut plain = Vec::new();
        bob.reader.read(&mut plain).await.unwrap();
        assert!(matches!(alice.writer.write(b"").await, Err(Broken::WornOut)));
        alice.writer.stream.write_all(&[0, 16]).await.unwrap();
        alice.writer.stream.write_all(&[0; 16]).await.unwrap();
        assert!(matches!(bob.reader.read(&mut plain).await, Err(Broken::WornOut)));
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
        fn random_records_are_refused(
            bytes in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..2_000),
        ) {
            run(async {
                let (_, reader) = tamper().await;
                let (mut reader, mut plain) = (reader(bytes), Vec::new());
                assert!(reader.read(&mut plain).await.is_err());
                assert!(plain.is_empty());
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
}
