//! N, the limit: a flood over the crate's own sessions, and nothing else: a number a message, a set of those that were seen,
//! all that waits for a link in one write. No overlay, no log, no names.

use super::tally::{self, Contestant, Tally};
use rumormill::live::frame::{self, Frames};
use rumormill::live::keys::{Keypair, Secrets};
use rumormill::live::noise::{self, Reader, Session, Writer};
use rustc_hash::FxHashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// While so much waits for one of its links, the publisher waits. Whoever passes on never does.
const BUSY: usize = 256 << 10;

/// Bytes of a message's number.
const ID: usize = 8;

#[derive(Default)]
struct Bare {
    state: Mutex<State>,
    /// A link has taken what waited for it.
    room: Notify,
}

#[derive(Default)]
struct State {
    seen: FxHashSet<u64>,
    links: Vec<Arc<Outlet>>,
    sent: u64,
}

/// What waits for a link.
#[derive(Default)]
struct Outlet {
    waiting: Mutex<Vec<u8>>,
    changed: Notify,
}

impl State {
    /// Sends a message over all links but one.
    fn pass_on(&mut self, from: usize, message: &[u8]) {
        for (_, outlet) in self.links.iter().enumerate().filter(|&(link, _)| link != from) {
            let mut waiting = outlet.waiting.lock().expect("nobody panics while it is locked");
            let (before, is_idle) = (waiting.len(), waiting.is_empty());
            frame::push(&mut waiting, |body| body.extend_from_slice(message)).expect("it is short");
            self.sent += (waiting.len() - before) as u64;
            drop(waiting);
            if is_idle {
                outlet.changed.notify_one();
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.links.iter().any(|outlet| outlet.waiting.lock().expect("as above").len() > BUSY)
    }
}

impl Bare {
    fn publish(&self, id: u64, message: &[u8]) {
        let mut state = self.state.lock().expect("as above");
        state.seen.insert(id);
        state.pass_on(usize::MAX, message);
    }
}

struct Limit {
    runtime: tokio::runtime::Runtime,
    bare: Arc<Bare>,
    tally: Arc<Mutex<Tally>>,
    keypair: Arc<Keypair>,
    secrets: Secrets,
}

pub(crate) fn run(folder: &Path, listen: &str) {
    let secrets = Secrets::load(folder.with_file_name("secret")).expect("the secret is there");
    let keypair = Arc::new(Keypair::random().expect("the system gives random numbers"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("the system gives threads");
    let tally = Arc::new(Mutex::new(Tally::default()));
    let bare = Arc::new(Bare::default());
    let listener = runtime.block_on(TcpListener::bind(listen)).expect("the port is free");
    println!("= {}", listener.local_addr().expect("it listens"));
    let limit = (Arc::clone(&bare), Arc::clone(&tally), Arc::clone(&keypair), secrets.clone());
    runtime.spawn(async move {
        let (bare, tally, keypair, secrets) = limit;
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("it is a socket");
            let secrets = secrets.valid(SystemTime::now());
            let session = noise::accept(stream, &keypair, secrets, &[]).await.expect("a friend");
            carry(&bare, &tally, session);
        }
    });
    tally::answer(&tally.clone(), &mut Limit { runtime, bare, tally, keypair, secrets });
}

fn carry(bare: &Arc<Bare>, tally: &Arc<Mutex<Tally>>, session: Session<TcpStream>) {
    let outlet = Arc::new(Outlet::default());
    let mut state = bare.state.lock().expect("nobody panics while it is locked");
    let link = state.links.len();
    state.links.push(Arc::clone(&outlet));
    drop(state);
    tokio::spawn(write(Arc::clone(bare), outlet, session.writer));
    tokio::spawn(read(Arc::clone(bare), Arc::clone(tally), link, session.reader));
}

async fn write(bare: Arc<Bare>, outlet: Arc<Outlet>, mut writer: Writer<WriteHalf<TcpStream>>) {
    let mut bytes = Vec::new();
    loop {
        std::mem::swap(&mut bytes, &mut *outlet.waiting.lock().expect("as above"));
        if bytes.is_empty() {
            outlet.changed.notified().await;
            continue;
        }
        bare.room.notify_one();
        if writer.write(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
    }
}

async fn read(
    bare: Arc<Bare>,
    tally: Arc<Mutex<Tally>>,
    link: usize,
    mut reader: Reader<ReadHalf<TcpStream>>,
) {
    let mut frames = Frames::default();
    while reader.read(frames.buffer_mut()).await.is_ok() {
        let mut state = bare.state.lock().expect("as above");
        while let Some(message) = frames.next().expect("it is short") {
            let (id, text) = message.split_first_chunk::<ID>().expect("it has a number");
            if state.seen.insert(u64::from_le_bytes(*id)) {
                let text = std::str::from_utf8(text).expect("it is a text");
                tally.lock().expect("as above").hear(text);
                state.pass_on(link, message);
            }
        }
    }
}

impl Contestant for Limit {
    fn link(&mut self, addresses: &[&str]) {
        for address in addresses {
            let session = self.runtime.block_on(async {
                let stream = TcpStream::connect(address).await.expect("somebody is there");
                stream.set_nodelay(true).expect("it is a socket");
                noise::dial(stream, &self.keypair, self.secrets.current(), &[], None).await.expect("a friend")
            });
            let _inside = self.runtime.enter();
            carry(&self.bare, &self.tally, session);
        }
    }

    fn wire(&mut self) -> (u64, u64) {
        let state = self.bare.state.lock().expect("as above");
        (state.sent, state.links.len() as u64)
    }

    fn publish(&mut self, first: u64, count: u64, pause: Duration) {
        let (bare, tally) = (Arc::clone(&self.bare), Arc::clone(&self.tally));
        let publish = async move {
            for number in first..first + count {
                while bare.state.lock().expect("as above").is_busy() {
                    bare.room.notified().await;
                }
                let text = tally::text(number);
                tally.lock().expect("as above").hear(&text);
                let mut message = number.to_le_bytes().to_vec();
                message.extend_from_slice(text.as_bytes());
                bare.publish(number, &message);
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        };
        self.runtime.block_on(self.runtime.spawn(publish)).expect("it ends");
    }
}
