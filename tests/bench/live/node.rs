//! Ours: a node as `rumormill node` runs it, with its log on disk, in the overlay that nodes join.

use super::tally::{self, Contestant, Tally};
use rumormill::live::keys::{Keypair, Secrets};
use rumormill::live::{Live, LiveConfig, Place, Report};
use rumormill::protocol::Command;
use rumormill::{Network, Node, NodeConfig, NodeId};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// So long a publisher waits before it asks again whether its node is busy.
const GLANCE: Duration = Duration::from_micros(500);

struct Ours {
    network: Network<Live<Node>>,
    node: NodeId,
}

pub(crate) fn run(folder: &Path, listen: &str) {
    let secrets = Secrets::load(folder.with_file_name("secret")).expect("the secret is there");
    let keypair = Keypair::load_or_create(folder.join("key")).expect("the folder can be written");
    let config = LiveConfig { forgets: true, ..LiveConfig::new(NodeConfig::default(), secrets) };
    let mut live: Live<Node> = Live::new(config, ()).expect("the system gives threads");
    let tally = Arc::new(Mutex::new(Tally::default()));
    let heard = Arc::clone(&tally);
    live.report_to(move |_, report| {
        if let Report::Delivered(broadcast) = report {
            heard.lock().expect("nobody panics while it is locked").hear(&broadcast.message.message);
        }
    });
    let listen = listen.parse().expect("an address");
    let place = Place { keypair, listen, advertised: None, log: Some(folder.join("log")) };
    let node = live.start(place).expect("the port is free");
    println!("= {}", live.contact(node).address.expect("it knows where it listens"));
    tally::answer(&tally, &mut Ours { network: Network::of(live), node });
}

impl Contestant for Ours {
    fn link(&mut self, addresses: &[&str]) {
        let find = |address: &&str| {
            let address = address.parse().expect("an address");
            self.network.world().who_is(self.node, address).expect("somebody is there")
        };
        let contacts = addresses.iter().map(find).collect();
        self.network.command(self.node, Command::Join { contacts });
    }

    fn wire(&mut self) -> (u64, u64) {
        let status = self.network.world().status(self.node);
        // (Each in a frame, with three bytes for its length.)
        let sent = status.counters.bytes_sent + 3 * status.counters.messages_sent;
        (sent, status.neighbors.len() as u64)
    }

    fn publish(&mut self, first: u64, count: u64, pause: Duration) {
        for number in first..first + count {
            while self.network.world().is_busy(self.node) {
                std::thread::sleep(GLANCE);
            }
            self.network.broadcast(self.node, &tally::text(number)).expect("it takes it");
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
    }
}
