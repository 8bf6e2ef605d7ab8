//! A secured session over a network that loses packets.

use rumormill::live::frame::{Frames, push};
use rumormill::live::keys::{Keypair, Secret};
use rumormill::live::noise::{accept, dial};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use turmoil_net::fixture::ClientServer;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};
use turmoil_net::{KernelConfig, Packet, Verdict};

const ECHOES: usize = 50;
const LENGTH: usize = 5_000;

#[test]
fn echoes_come_back_though_every_fifth_packet_is_lost() {
    let (alice, bob, secret) =
        (Keypair::random().unwrap(), Keypair::random().unwrap(), Secret::random().unwrap());
    let (copy, expected) = (secret.clone(), bob.public);
    let server = async move {
        let listener = TcpListener::bind("0.0.0.0:9000").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut session = accept(stream, &bob, [&copy], b"").await.unwrap();
        let (mut frames, mut answer) = (Frames::default(), Vec::new());
        while session.reader.read(frames.buffer_mut()).await.is_ok() {
            while let Some(body) = frames.next().unwrap() {
                push(&mut answer, |answer| answer.extend_from_slice(body)).unwrap();
            }
            session.writer.write(&answer).await.unwrap();
            answer.clear();
        }
    };
    let client = async move {
        let packets = Arc::new(AtomicUsize::new(0));
        let counted = packets.clone();
        let _lossy = turmoil_net::rule(move |_: &Packet| {
            if counted.fetch_add(1, Relaxed) % 5 == 4 {
                Verdict::Drop
            } else {
                Verdict::Deliver(Duration::from_millis(20))
            }
        });
        let stream = TcpStream::connect("server:9000").await.unwrap();
        let mut session = dial(stream, &alice, &secret, b"", Some(expected)).await.unwrap();
        let mut frames = Frames::default();
        for echo in 0..ECHOES {
            let sent: Vec<u8> = (0..LENGTH).map(|at| (at * 7 + echo) as u8).collect();
            let mut frame = Vec::new();
            push(&mut frame, |frame| frame.extend_from_slice(&sent)).unwrap();
            session.writer.write(&frame).await.unwrap();
            let came = loop {
                session.reader.read(frames.buffer_mut()).await.unwrap();
                if let Some(body) = frames.next().unwrap() {
                    break body;
                }
            };
            assert!(came == sent, "echo {echo} came back changed");
            assert_eq!(frames.next(), Ok(None));
        }
        assert!(packets.load(Relaxed) > 2 * ECHOES * LENGTH / 1_500, "the packets went another way");
    };
    // (It counts retransmissions in milliseconds; with its defaults 20 ms of latency look like a dead
    // connection.)
    let config = KernelConfig::default().retx_threshold(60).retx_max(30);
    ClientServer::with_config(config).server("server", server).run("client", client);
}
