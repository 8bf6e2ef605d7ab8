//! The processes of one round, and the one that asks them.

use super::tally::Heard;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rumormill::live::keys::{Secret, Secrets};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Links of a node.
const DEGREE: usize = 6;
/// So long an overlay may take to settle.
const SETTLING: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Bare,
    Ours,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Kind {
        if name == "bare" { Kind::Bare } else { Kind::Ours }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Bare => "bare",
            Kind::Ours => "ours",
        }
    }
}

pub(crate) struct Bed {
    kind: Kind,
    folder: tempfile::TempDir,
    nodes: Vec<Process>,
    published: u64,
}

struct Process {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
    done: Receiver<()>,
    /// It has all that it was to have.
    is_done: bool,
    address: String,
}

impl Process {
    fn start(kind: Kind, folder: PathBuf, listen: &str) -> Process {
        fs::create_dir_all(&folder).expect("a folder can be made");
        let me = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(me)
            .args(["child", kind.name()])
            .arg(&folder)
            .arg(listen)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let (input, output) = (child.stdin.take().expect("as asked"), child.stdout.take().expect("as asked"));
        let ((answer, answers), (tell_done, done)) = (mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                match line.strip_prefix("= ") {
                    Some(text) => _ = answer.send(text.to_owned()),
                    None => _ = tell_done.send(()),
                }
            }
        });
        let mut process = Process { child, input, answers, done, is_done: true, address: String::new() };
        process.address = process.answer();
        process
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the process lives");
    }

    fn answer(&mut self) -> String {
        self.answers.recv_timeout(super::PATIENCE).expect("the process answers")
    }

    /// It is to have all below a number.
    fn expect(&mut self, wanted: u64) {
        self.is_done = false;
        self.tell(&format!("expect {wanted}"));
    }

    fn heard(&mut self) -> Heard {
        self.tell("heard");
        serde_json::from_str(&self.answer()).expect("it says what it heard")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Bed {
    /// Starts and links the nodes.
    pub(crate) fn start(kind: Kind, count: usize) -> Bed {
        let folder = tempfile::tempdir().expect("there is room for files");
        Secrets::new(Secret::random().expect("a secret can be made"))
            .save(folder.path().join("secret"))
            .expect("a secret can be written");
        let mut bed = Bed { kind, folder, nodes: Vec::new(), published: 0 };
        for node in 0..count {
            let process = Process::start(kind, bed.home(node), "127.0.0.1:0");
            bed.nodes.push(process);
        }
        match kind {
            Kind::Bare => bed.link_regularly(),
            Kind::Ours => bed.join(),
        }
        bed
    }

    fn home(&self, node: usize) -> PathBuf {
        self.folder.path().join(node.to_string())
    }

    /// A random graph in which each node has six links.
    fn link_regularly(&mut self) {
        let count = self.nodes.len();
        let edges = regular(count, DEGREE.min(count - 1));
        for (a, b) in &edges {
            let address = self.nodes[*b].address.clone();
            self.nodes[*a].tell(&format!("link {address}"));
        }
        self.until_linked(2 * edges.len() as u64, |links| links);
    }

    /// All join through the first.
    fn join(&mut self) {
        self.nodes[0].tell("link");
        let first = self.nodes[0].address.clone();
        for node in 1..self.nodes.len() {
            self.nodes[node].tell(&format!("link {first}"));
            // One after the other, as people would.
            self.nodes[node].heard();
        }
        let few = (DEGREE - 1).min(self.nodes.len() - 1) as u64;
        let nodes = self.nodes.len() as u64;
        self.until_linked(nodes, |links| u64::from(links >= few));
        std::thread::sleep(Duration::from_secs(2));
    }

    fn until_linked(&mut self, wanted: u64, count: impl Fn(u64) -> u64) {
        let deadline = Instant::now() + SETTLING;
        while self.nodes.iter_mut().map(|node| count(node.heard().links)).sum::<u64>() < wanted {
            if Instant::now() > deadline {
                println!("(not all have as many links as they should)");
                return;
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// How many were published.
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// The first node publishes; all are to have it.
    pub(crate) fn publish(&mut self, count: u64, pause: Duration) {
        let (first, last) = (self.published, self.published + count);
        self.published = last;
        for node in &mut self.nodes {
            if node.child.try_wait().expect("it can be asked").is_none() {
                node.expect(last);
            }
        }
        self.nodes[0].tell(&format!("publish {first} {count} {}", pause.as_micros()));
    }

    pub(crate) fn wait_for_all(&mut self, patience: Duration) {
        self.wait_for(0..self.nodes.len(), patience);
    }

    /// Waits until these have all.
    pub(crate) fn wait_for(&mut self, nodes: Range<usize>, patience: Duration) {
        let deadline = Instant::now() + patience;
        for number in nodes {
            let (node, left) = (&mut self.nodes[number], deadline.saturating_duration_since(Instant::now()));
            node.is_done |= node.done.recv_timeout(if node.is_done { Duration::ZERO } else { left }).is_ok();
            if !node.is_done {
                println!("(node {number} does not have all after {} s)", patience.as_secs());
            }
        }
    }

    /// What all heard, together.
    pub(crate) fn heard(&mut self) -> Heard {
        let mut sum = Heard::default();
        for heard in self.nodes.iter_mut().map(Process::heard) {
            sum.count += heard.count;
            sum.duplicates += heard.duplicates;
            sum.disorder += heard.disorder;
            sum.sent += heard.sent;
            sum.links += heard.links;
        }
        sum
    }

    /// For each broadcast from a number on, after how many seconds the last node had it.
    pub(crate) fn last_delays(&mut self, first: u64) -> Vec<f64> {
        let mut last: Vec<f64> = vec![0.0; (self.published - first) as usize];
        for node in &mut self.nodes {
            node.tell(&format!("delays {first}"));
            let delays: Vec<f64> = serde_json::from_str(&node.answer()).expect("numbers");
            last.iter_mut().zip(delays).for_each(|(last, delay)| *last = last.max(delay));
        }
        last
    }

    /// The processor time of all.
    pub(crate) fn processor_seconds(&self) -> f64 {
        self.nodes.iter().map(|node| processor_seconds(node.child.id())).sum()
    }

    /// Ids of the processes.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.child.id()).collect()
    }

    pub(crate) fn kill(&mut self, node: usize) {
        let child = &mut self.nodes[node].child;
        child.kill().expect("it lives");
        child.wait().expect("it ends");
    }

    /// Starts a killed node in its place; it is to have all that was published since it was killed.
    pub(crate) fn restart(&mut self, node: usize) {
        let address = self.nodes[node].address.clone();
        let mut process = Process::start(self.kind, self.home(node), &address);
        process.tell(&format!("had {}", super::WARM_UP));
        process.expect(self.published);
        process.tell(&format!("link {}", self.nodes[0].address));
        self.nodes[node] = process;
    }

    /// Stops a node nineteen twentieths of the time, as long as what is returned lives.
    pub(crate) fn slow_down(&self, node: usize) -> impl Drop + use<> {
        let id = self.nodes[node].child.id();
        let script =
            format!("while kill -STOP {id}; do sleep 0.095; kill -CONT {id}; sleep 0.005; done 2> /dev/null");
        let shell = Command::new("sh").args(["-c", &script]).spawn().expect("there is a shell");
        Slow { shell, id }
    }
}

struct Slow {
    shell: Child,
    id: u32,
}

impl Drop for Slow {
    fn drop(&mut self) {
        _ = self.shell.kill();
        _ = self.shell.wait();
        _ = Command::new("kill").args(["-CONT", &self.id.to_string()]).status();
    }
}

/// The time that the threads of a process were on a processor.
pub(crate) fn processor_seconds(id: u32) -> f64 {
    let tasks =
        fs::read_dir(format!("/proc/{id}/task")).expect("this benchmark needs Linux, and the process");
    let nanos = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or_default()
    };
    tasks.flatten().map(nanos).sum::<f64>() / 1e9
}

/// The edges of a random graph in which each node has so many.
fn regular(nodes: usize, degree: usize) -> Vec<(usize, usize)> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    loop {
        let mut ends: Vec<usize> = (0..nodes * degree).map(|end| end / degree).collect();
        ends.shuffle(&mut rng);
        let mut edges: Vec<(usize, usize)> =
            ends.chunks_exact(2).map(|ends| (ends[0].min(ends[1]), ends[0].max(ends[1]))).collect();
        // Mends what is no graph by exchanging ends at random.
        for _ in 0..10_000 {
            edges.sort_unstable();
            let is_bad = |at: usize| edges[at].0 == edges[at].1 || (at > 0 && edges[at] == edges[at - 1]);
            let Some(bad) = (0..edges.len()).find(|&at| is_bad(at)) else { return edges };
            let other = rand::RngExt::random_range(&mut rng, 0..edges.len());
            let ((a, b), (c, d)) = (edges[bad], edges[other]);
            edges[bad] = (a.min(d), a.max(d));
            edges[other] = (c.min(b), c.max(b));
        }
    }
}
