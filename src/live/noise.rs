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

use super::keys::{Keypair, Secret, is_provable};
use super::private::hex;
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
mod tests;
