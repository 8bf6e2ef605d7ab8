//! What a live node shows over HTTP: to programs, to browsers, and to those who mean no good.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "processes live in real time")]

use crate::live_node::{Bed, PATIENCE, each_line, rumormill, until};
use crate::support::browser::Browser;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A network whose first node shows itself, and where.
fn bed(count: usize) -> (Bed, String) {
    let mut bed = Bed::empty();
    bed.add(&["--genesis", "--http", "127.0.0.1:0"]);
    (1..count).for_each(|_| _ = bed.join(0));
    bed.settle();
    let address = shown_at(&bed, 0);
    (bed, address)
}

fn shown_at(bed: &Bed, node: usize) -> String {
    bed.nodes[node].wait_for_note("its page is at http://");
    let heard = bed.nodes[node].heard.lock().unwrap();
    let found = heard.notes.iter().find_map(|note| note.split_once("http://")?.1.strip_suffix('/'));
    found.unwrap().to_owned()
}

struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.code, 200, "{} {}", self.head, self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) =
            self.head.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| *known == name)?;
        Some(value)
    }
}

/// Sends bytes, and reads whatever comes until the end.
fn exchange(address: &str, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be refused before all of it is sent.
    _ = stream.write_all(request);
    let mut all = Vec::new();
    _ = stream.read_to_end(&mut all);
    let all = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = all.split_once("\r\n\r\n")?;
    let code = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { code, head: head.into(), body: body.into() })
}

fn get(address: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    exchange(address, request.as_bytes()).expect("an answer")
}

/// Reads /events, as kinds and data.
fn events(address: &str) -> Arc<Mutex<Vec<(String, Value)>>> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /events HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (told, mut kind) = (heard.clone(), String::new());
    each_line(stream, move |line| {
        if let Some(name) = line.strip_prefix("event: ") {
            kind = name.into();
        } else if let Some(data) = line.strip_prefix("data: ") {
            told.lock().unwrap().push((kind.clone(), serde_json::from_str(data).unwrap()));
        }
    });
    heard
}

fn wait_for(
    heard: &Arc<Mutex<Vec<(String, Value)>>>,
    what: &str,
    is_it: impl Fn(&str, &Value) -> bool,
) -> Value {
    let found = || {
        let heard = heard.lock().unwrap();
        heard.iter().find(|(kind, data)| is_it(kind, data)).map(|(_, data)| data.clone())
    };
    let instead = || {
        let heard = heard.lock().unwrap();
        format!("{:?}", heard.iter().filter(|(kind, _)| kind != "status").collect::<Vec<_>>())
    };
    until(what, || found().is_some(), instead);
    found().unwrap()
}

/// Samples by name; panics where OpenMetrics is not obeyed.
fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut types, mut family) = (BTreeMap::new(), BTreeMap::new(), String::new());
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    for line in body.lines() {
        if let Some(about) = line.strip_prefix("# ") {
            let (key, rest) = about.split_once(' ').unwrap();
            let (name, value) = rest.split_once(' ').unwrap();
            match key {
                "HELP" => {
                    assert!(value.len() > 10, "{line} explains nothing");
                    assert!(!types.contains_key(name), "{name} is there twice");
                    family = name.into();
                }
                "TYPE" => assert!(types.insert(name.to_owned(), value.to_owned()).is_none(), "{line}"),
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            assert_eq!(name, family, "what belongs together stands together");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let name = name.split('{').next().unwrap();
        assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{line}");
        let suffix = match types[&family].as_str() {
            "counter" => "_total",
            "info" => "_info",
            "gauge" => "",
            other => panic!("{other} is not expected"),
        };
        assert_eq!(name, format!("{family}{suffix}"), "{line}");
        assert!(!family.ends_with("_total"), "{line}");
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0 && samples.insert(name.to_owned(), value).is_none(), "{line}");
    }
    samples
}

#[test]
fn programs_read_how_a_node_is() {
    let (mut bed, address) = bed(3);
    let texts = bed.broadcast(1, "counted", 5);
    bed.all_have(&texts);

    let output = rumormill(&["status", "--json", &bed.nodes[0].address, "--secret"])
        .arg(bed.path("secret"))
        .output()
        .unwrap();
    let asked: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answer = get(&address, "/status");
    let status = answer.json();
    let keys = |status: &Value| status.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&status), keys(&asked));
    for same in ["identity", "address", "state", "neighbors", "known", "delivered"] {
        assert_eq!(status[same], asked[same], "{same}");
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let answer = get(&address, "/metrics");
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(form));
    let metrics = parse_metrics(&answer.body);
    for (name, value) in [
        ("rumormill_member", 1.0),
        ("rumormill_neighbors", 2.0),
        ("rumormill_known_nodes", 2.0),
        ("rumormill_broadcasts_delivered_total", 5.0),
        ("rumormill_broadcasts_lost_total", 0.0),
        ("rumormill_log_failed", 0.0),
        ("rumormill_http_watchers", 0.0),
        ("rumormill_http_walks_total", 0.0),
        ("rumormill_node_info", 1.0),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name} in {}", answer.body);
    }
    for name in
        ["rumormill_uptime_seconds", "rumormill_sent_bytes_total", "rumormill_messages_received_total"]
    {
        assert!(metrics[name] > 0.0, "{name} in {}", answer.body);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - metrics["process_start_time_seconds"] - metrics["rumormill_uptime_seconds"];
    assert!((-1.0..5.0).contains(&age), "{age}");
    assert!(!metrics.contains_key("rumormill_network_nodes"), "nobody has counted yet");
    bed.nodes[0].ask("/network", "network");
    until(
        "the count is shown",
        || parse_metrics(&get(&address, "/metrics").body).get("rumormill_network_nodes") == Some(&3.0),
        || get(&address, "/metrics").body,
    );
}

#[test]
fn what_happens_is_told_as_it_happens() {
    let (mut bed, address) = bed(3);
    let heard = events(&address);
    let status = wait_for(&heard, "a status comes first", |kind, _| kind == "status");
    assert_eq!(status["neighbors"].as_array().unwrap().len(), 2);

    let long = "long ".repeat(1_000);
    let identity = bed.nodes[2].status()["identity"].clone();
    bed.nodes[2].type_in("a text with \"quotes\" & <b>tags</b>");
    bed.nodes[2].type_in(&long);
    let told =
        wait_for(&heard, "the delivery", |_, data| data["text"] == "a text with \"quotes\" & <b>tags</b>");
    until("the console has it", || bed.nodes[0].texts().len() == 2, || bed.nodes[0].tell());
    let message = bed.nodes[0].heard.lock().unwrap().messages[0].clone();
    assert_eq!(
        told,
        json!({
            "id": message["id"], "origin": identity, "time": message["time"], "title": "#BROADCAST", "is_cut": false,
            "bytes": 34, "text": message["message"],
        })
    );
    let told = wait_for(&heard, "the long one", |_, data| data["bytes"] == long.len());
    assert_eq!((told["text"].as_str().unwrap().len(), &told["is_cut"]), (2_000, &json!(true)));

    // Who comes later is told of the latest.
    let late = events(&address);
    wait_for(&late, "what was before", |kind, data| kind == "delivered" && data["bytes"] == 34);

    bed.kill(&[2]);
    wait_for(&heard, "a neighbor left", |kind, data| kind == "left" && data["identity"] == identity);
    bed.restart(&[2]);
    wait_for(&heard, "it came back", |kind, data| kind == "joined" && data["identity"] == identity);

    // Who watches does not hold up the end, and is told.
    bed.nodes[0].signal("-INT");
    let begun = Instant::now();
    assert_eq!(bed.nodes[0].code(), 0, "{}", bed.nodes[0].tell());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    wait_for(&heard, "the end", |kind, _| kind == "end");
    wait_for(&late, "the end", |kind, _| kind == "end");
}

#[test]
fn the_network_is_asked_once_however_many_want_to_see_it() {
    let (bed, address) = bed(4);
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let address = address.clone();
            thread::spawn(move || get(&address, "/network").json())
        })
        .collect();
    for asker in askers {
        let network = asker.join().unwrap();
        let nodes = network["nodes"].as_array().unwrap();
        assert_eq!((nodes.len(), network["links"].as_array().unwrap().len()), (4, 6), "{network}");
        assert_eq!((&network["silent"], &network["not_asked"]), (&json!([]), &json!(0)));
        let this = &nodes[network["this"].as_u64().unwrap() as usize];
        assert_eq!(this["address"], bed.nodes[0].address);
        for node in nodes {
            let (x, y) = (node["x"].as_f64().unwrap(), node["y"].as_f64().unwrap());
            assert!((0.0..=1.1).contains(&x) && (0.0..=1.0).contains(&y), "{node}");
        }
    }
    // Somebody who goes away at once, again and again.
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /network HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    }
    let walks = parse_metrics(&get(&address, "/metrics").body)["rumormill_http_walks_total"];
    assert!((1.0..=3.0).contains(&walks), "{walks}");
}

#[test]
fn who_means_no_good_is_turned_away_and_nothing_breaks() {
    let (mut bed, address) = bed(2);
    let long = "x".repeat(100_000);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let here = format!("host: {address}\r\nconnection: close\r\n");
    for (code, request) in [
        (200, format!("GET / HTTP/1.1\r\n{here}\r\n")),
        (200, format!("HEAD /status HTTP/1.1\r\n{here}\r\n")),
        (200, "GET /status HTTP/1.1\r\nhost: localhost:1\r\nconnection: close\r\n\r\n".into()),
        (404, format!("GET /../../etc/passwd HTTP/1.1\r\n{here}\r\n")),
        (404, format!("GET /%00%2e%2e/ HTTP/1.1\r\n{here}\r\n")),
        (405, format!("POST /status HTTP/1.1\r\n{here}content-length: 5\r\n\r\nhello")),
        (405, format!("DELETE / HTTP/1.1\r\n{here}\r\n")),
        (421, "GET /status HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".into()),
        (421, "GET /status HTTP/1.1\r\nconnection: close\r\n\r\n".into()),
        (421, format!("GET http://evil.example/status HTTP/1.1\r\n{here}\r\n")),
        (421, format!("GET /status HTTP/1.1\r\nhost: evil.example\r\n{here}\r\n")),
        (403, format!("GET /events HTTP/1.1\r\n{here}sec-fetch-site: cross-site\r\n\r\n")),
        (
            200,
            format!("GET / HTTP/1.1\r\n{here}sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n\r\n"),
        ),
        (431, format!("GET / HTTP/1.1\r\n{here}x: {long}\r\n\r\n")),
        (431, format!("GET / HTTP/1.1\r\n{here}{many}\r\n")),
        (431, format!("GET /{long} HTTP/1.1\r\n{here}\r\n")),
        (400, "GET\r\n\r\n".into()),
        (400, "\u{16}\u{3}\u{1}\u{2}\u{0}hello, this is TLS\r\n\r\n".into()),
    ] {
        let answer = exchange(&address, request.as_bytes());
        let found = answer.as_ref().map(|answer| answer.code);
        // A request that is cut short by the refusal may lose the answer.
        let is_lost = found.is_none() && request.len() > 16_000;
        assert!(is_lost || found == Some(code), "{found:?} for {:?}", &request[..request.len().min(200)]);
    }
    // Seats of those who watch are limited, and given back.
    let watchers: Vec<_> = (0..16)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            write!(stream, "GET /events HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
            stream.read_exact(&mut [0; 12]).unwrap();
            stream
        })
        .collect();
    assert_eq!(get(&address, "/events").code, 503);
    drop(watchers);
    let watchers = || parse_metrics(&get(&address, "/metrics").body)["rumormill_http_watchers"];
    until("the seats are free", || watchers() == 0.0, || watchers().to_string());
    // Those who connect and say nothing, or say it slowly, lose their connections.
    let mut idle: Vec<_> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for stream in idle.iter_mut().step_by(2) {
        write!(stream, "GET / HTTP/1.1\r\nhost:").unwrap();
    }
    assert_eq!(get(&address, "/status").code, 200);
    // The node has not noticed.
    let texts = bed.broadcast(1, "all is well", 3);
    bed.all_have(&texts);
    assert!(!bed.nodes[0].has_noted("panicked"), "{}", bed.nodes[0].tell());
}

#[test]
fn an_address_has_to_be_free_and_should_be_private() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let node = |http: &str| {
        rumormill(&[
            "node",
            "--genesis",
            "--listen",
            "127.0.0.1:0",
            "--leave-at-end",
            "--http",
            http,
            "--home",
        ])
        .arg(folder.path().join("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
    };
    let output = node(&taken);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains(&taken) && said.contains("choose another address with --http"), "{said}");
    for (http, is_warned) in [("127.0.0.1:0", false), ("0.0.0.0:0", true)] {
        let output = node(http);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.contains("can read everything"), is_warned, "{said}");
    }
}

/// What a browser makes of it, with texts of others that would like to be scripts.
#[test]
fn the_page_shows_the_network_and_runs_no_script_of_others() {
    let Some(mut browser) = Browser::open() else { return };
    let (mut bed, address) = bed(5);
    browser.visit(&format!("http://{address}/"));
    browser.until("document.body.dataset.link === 'live'");
    let identity = bed.nodes[0].status()["identity"].as_str().unwrap().to_owned();
    browser.until(&format!("document.getElementById('me').title === '{identity}'"));
    browser.until("document.querySelectorAll('#nodes circle').length === 5");
    browser.until("document.querySelectorAll('#nodes circle.this').length === 1");

    let texts = [
        "<script>window.ran = 'script'</script>",
        "<img src=x onerror=\"window.ran = 'image'\">",
        "<svg onload=\"window.ran = 'svg'\"><a href=\"javascript:window.ran = 1\">x</a></svg>",
        "'\"><iframe srcdoc=\"<script>parent.ran = 'frame'</script>\">",
        "</script><script>window.ran = 'end'</script> \u{202e} &amp; ${window.ran = 1} {{7*7}}",
    ];
    let origin = bed.nodes[3].status()["identity"].as_str().unwrap().to_owned();
    for text in texts {
        bed.nodes[3].type_in(text);
        let text = serde_json::to_string(text).unwrap();
        browser.until(&format!(
            "[...document.querySelectorAll('#log li.message')].some((li) => \
             li.querySelector('.text').textContent === {text} && li.querySelector('.origin').title === '{origin}')"
        ));
    }
    browser.until("document.querySelectorAll('#nodes circle.hot').length === 1");
    assert_eq!(browser.value("document.querySelectorAll('#log .text *').length"), json!(0));
    assert_eq!(
        browser.value("document.querySelectorAll('img, iframe, #log svg, #log script').length"),
        json!(0)
    );
    assert_eq!(browser.value("typeof window.ran"), json!("undefined"));
    // Even one that found its way into the page would not run.
    let tricks = "(() => { try { document.body.innerHTML += '<img src=x onerror=\"window.ran = 1\">'; return 'done' } \
                  catch (error) { return error.name } })()";
    assert_eq!(browser.value(tricks), json!("TypeError"));

    // A newcomer appears, and who goes away disappears.
    let newcomer = bed.join(0);
    browser.until("document.querySelectorAll('#nodes circle').length === 6");
    bed.kill(&[newcomer]);
    browser.until("document.querySelectorAll('#nodes circle').length === 5");

    // It says when the node is gone, suddenly or not, and when it is back.
    bed.kill(&[0]);
    browser.until("document.body.dataset.link === 'lost'");
    browser.until("!document.getElementById('banner').hidden");
    bed.nodes[0].start(&["--http", &address]);
    browser.until("document.body.dataset.link === 'live'");
    bed.nodes[0].type_in("/quit");
    browser.until("document.body.dataset.link === 'gone'");
    assert_eq!(browser.value("typeof window.ran"), json!("undefined"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
