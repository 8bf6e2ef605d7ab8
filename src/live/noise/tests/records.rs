//! Records: they arrive whole, once and in order, or end the session.

use super::*;

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
        let (mut reader, mut plain) = (reader(bytes.into_iter().flatten().copied().collect()), Vec::new());
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
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
}
