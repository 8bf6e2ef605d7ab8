//! What can be asked for on the command line.

use super::halt::Breakpoint;
use super::mill::MillArguments;
#[cfg(feature = "live")]
use super::node::{ClusterArguments, NodeArguments, SecretArguments, ShutdownArguments, VisitArguments};
use super::sweep::SweepArguments;
use crate::observe::Wanted;
use crate::scenario::{DataFolders, Outline, ScenarioError, ScenarioFile, Selector, Source};
use crate::units::parse_duration;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use rand::TryRng;
use rand::rngs::SysRng;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A laboratory for peer-to-peer networks: scenario file in, verdict and picture out.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: SubCommand,
}

const EXIT_CODES: &str = "\
Exit codes: 0 pass, 1 fail, 2 unknown (too short to tell), 3 vacuous (nothing was tested),
64 wrong usage, 65 wrong scenario or data, or more than fits into memory, or a node that cannot
start, 70 internal error, 74 output that cannot be written, 130 interrupted";

const EXPLAIN_CODES: &str = "\
Exit codes: 0 it was delivered, 1 it was not though that was possible, 2 it was still on its way
or possible only after the end, 3 it was impossible, 64 wrong usage, or no such node or broadcast,
65 wrong scenario or data, or more than fits into memory, 130 interrupted";

#[derive(Subcommand)]
pub(super) enum SubCommand {
    /// Run a scenario: verdict, summary, pictures
    Run(RunArguments),
    /// Run a scenario with many seeds, on all cores: verdicts counted, metrics with their percentiles
    Sweep(SweepArguments),
    /// Explain how a broadcast came to a node, or why it did not, and how it could have come at the earliest
    #[command(after_help = EXPLAIN_CODES)]
    Explain(ExplainArguments),
    /// Put nodes through random scripts of faults, and shrink the first that fails to a small scenario
    Mill(MillArguments),
    /// Check scenarios; print a single one with every default filled in, and predict what a run costs
    Check(CheckArguments),
    /// Draw the network with which a scenario starts, without running it
    #[cfg(feature = "draw")]
    Draw(DrawArguments),
    /// Be a node of a real network over TCP: typed lines are broadcast to all others
    #[cfg(feature = "live")]
    #[command(after_help = super::node::HELP)]
    Node(NodeArguments),
    /// Show how a live node is
    #[cfg(feature = "live")]
    Status(VisitArguments),
    /// Let a live node count its network, and show how that is as a whole
    #[cfg(feature = "live")]
    Network(VisitArguments),
    /// End a whole network: all its nodes stop. Only with its admin key
    #[cfg(feature = "live")]
    Shutdown(ShutdownArguments),
    /// Show or replace the secret of a real network
    #[cfg(feature = "live")]
    Secret(SecretArguments),
    /// Try a real network out: many nodes on this machine, each a process of its own, with one console
    #[cfg(feature = "live")]
    #[command(after_help = super::cluster::HELP)]
    Cluster(ClusterArguments),
    /// Print the JSON Schema of scenario files, by which editors complete and check
    Schema(SchemaArguments),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages
    #[command(hide = true)]
    Man {
        /// The folder for them; it has to exist
        folder: PathBuf,
    },
}

/// Which scenario, and what is changed in it.
#[derive(Args)]
pub(super) struct ScenarioArguments {
    /// The scenario file
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) changes: Changes,
    /// Go on even if the memory of this machine will probably not do
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Args)]
pub(super) struct CheckArguments {
    /// Scenario files, or folders: these stand for every .json file below them, schemas apart
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) changes: Changes,
}

#[derive(Args)]
pub(super) struct SchemaArguments {
    /// Print it as a document for people instead
    #[arg(long)]
    pub(super) markdown: bool,
}

/// What is changed in a scenario, and where its data is.
#[derive(Args)]
pub(super) struct Changes {
    /// Take this seed instead of the scenario's; `random` draws one and says which
    #[arg(long, value_name = "NUMBER|random")]
    pub(super) seed: Option<Seed>,
    /// Change a value of the scenario: `--set timeline.0.do.broadcast.count=30`; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_setting)]
    pub(super) set: Vec<(String, String)>,
    /// A folder in which data files are looked for, after the scenario's own; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) data: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) scenario: ScenarioArguments,
    /// The folder for results; they go to DIR/<scenario>/seed-<seed>/
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub(super) out: PathBuf,
    /// Write trace.jsonl: everything that happens, one JSON object a line
    #[arg(long)]
    pub(super) trace: bool,
    /// Draw nothing: a small run then takes a few milliseconds
    #[cfg(feature = "draw")]
    #[arg(long)]
    pub(super) no_pictures: bool,
    /// Run the scenario twice side by side first, and stop at the first event that differs
    #[arg(long)]
    pub(super) check_determinism: bool,
    /// Let the nodes lack something that they need, as in `no_repair`; `all` runs the scenario with each weakness in
    /// turn, and says how many of them its expectations notice
    #[arg(long, value_name = "NAME|all")]
    pub(super) weaken: Option<String>,
    /// Stop at this moment and show how everybody is, instead of a verdict: `12.4s`
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with_all = ["trace", "check_determinism"])]
    pub(super) until: Option<Duration>,
    /// Stop at the first such event and show how everybody is: `"delivered 17 3"` (node 17, broadcast 3), `"crashed 4"`
    #[arg(long = "break", value_name = "EVENT", conflicts_with_all = ["trace", "check_determinism"])]
    pub(super) breakpoint: Option<Breakpoint>,
    #[cfg(feature = "live")]
    #[command(flatten)]
    pub(super) live: LiveArguments,
    /// Print the summary as JSON
    #[arg(long, conflicts_with = "quiet")]
    pub(super) json: bool,
    /// Print nothing but errors; the exit code tells the verdict
    #[arg(long)]
    pub(super) quiet: bool,
}

/// How a scenario is played by real nodes.
#[cfg(feature = "live")]
#[derive(Args)]
pub(super) struct LiveArguments {
    /// Play the scenario with real nodes over TCP on this machine, in real time
    #[arg(long, conflicts_with_all = ["check_determinism", "until", "breakpoint"])]
    pub(super) live: bool,
    /// Simulate the scenario and play it with real nodes, and show how far the two agree
    #[arg(long, conflicts_with_all = ["live", "json", "check_determinism", "until", "breakpoint"])]
    pub(super) both: bool,
    /// How many times faster than real time the real nodes go, 0.1 to 100
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_speed)]
    pub(super) speed: f64,
}

#[cfg(feature = "live")]
impl LiveArguments {
    fn repeat(&self) -> String {
        let speed = if self.speed == 1.0 { String::new() } else { format!(" --speed {}", self.speed) };
        match (self.live, self.both) {
            (true, _) => format!(" --live{speed}"),
            (_, true) => format!(" --both{speed}"),
            _ => String::new(),
        }
    }
}

#[cfg(feature = "live")]
fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.1..=100.0).contains(speed));
    speed.ok_or_else(|| "a speed is a number from 0.1 to 100".into())
}

#[derive(Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) scenario: ScenarioArguments,
    /// The node: its number or its name
    #[arg(value_parser = parse_node)]
    pub(super) node: Selector,
    /// The broadcast: its number, from 0 in the order of publication, or eight or more digits with which its id begins
    #[arg(value_parser = parse_wanted)]
    pub(super) message: Wanted,
}

/// Nothing is wrong with any text: it may be a name.
fn parse_node(text: &str) -> Result<Selector, Infallible> {
    Ok(text.parse().map_or_else(|_| Selector::Name(text.into()), Selector::Number))
}

fn parse_wanted(text: &str) -> Result<Wanted, String> {
    // A summary shows eight digits of an id; no scenario has as many broadcasts.
    match text.parse() {
        Ok(number) if text.len() < 8 => Ok(Wanted::Number(number)),
        _ if text.bytes().all(|digit| digit.is_ascii_hexdigit()) && (1..=64).contains(&text.len()) => {
            Ok(Wanted::Prefix(text.to_ascii_lowercase()))
        }
        _ => Err("a broadcast is a number from 0, or the first hexadecimal digits of its id".into()),
    }
}

#[cfg(feature = "draw")]
#[derive(Args)]
pub(super) struct DrawArguments {
    /// The scenario file
    #[cfg_attr(feature = "live", arg(required_unless_present = "live"))]
    #[cfg_attr(not(feature = "live"), arg(required = true))]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) changes: Changes,
    /// Go on even if the memory of this machine will probably not do
    #[arg(long)]
    pub(super) force: bool,
    /// Draw the network of the live node at this address instead, as its nodes tell of it
    #[cfg(feature = "live")]
    #[arg(long, value_name = "ADDR", value_parser = super::node::parse_address, conflicts_with_all = ["file", "seed", "set", "data"])]
    pub(super) live: Option<std::net::SocketAddr>,
    /// The file of that network's secret; default: that of the node of that port on this machine
    #[cfg(feature = "live")]
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(super) secret: Option<PathBuf>,
    /// The picture to write: a .png or .svg file
    #[arg(long, value_name = "FILE", default_value = "topology.png")]
    pub(super) out: PictureFile,
}

#[derive(Clone, Copy)]
pub(super) enum Seed {
    Number(u64),
    Random,
}

impl std::str::FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Seed, String> {
        match text {
            "random" => Ok(Seed::Random),
            _ => text
                .parse()
                .map(Seed::Number)
                .map_err(|_| "a seed is a number from 0 to 2^64 - 1, or `random`".into()),
        }
    }
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.into(), value.into())),
        _ => Err("write PATH=VALUE, as in end=30s or timeline.0.do.broadcast.count=30".into()),
    }
}

impl ScenarioArguments {
    /// Reads, changes and checks the scenario.
    pub(super) fn load<C: DeserializeOwned + Default>(&self) -> Result<Outline<C>, ScenarioError> {
        self.changes.load(&self.file)
    }

    /// The command that runs the same scenario with a seed, as a shell takes it. `names_data`: it needs data files.
    pub(super) fn repeat(&self, seed: u64, names_data: bool) -> String {
        let folders = std::env::var_os("RUMORMILL_DATA").filter(|_| names_data);
        let folders = folders.map_or(String::new(), |folders| {
            format!("RUMORMILL_DATA={} ", quoted(&folders.to_string_lossy()))
        });
        let (program, file) = (program(), self.file.to_string_lossy());
        // A file whose name begins with a dash would be taken for a flag.
        let file = if file.starts_with('-') { format!("./{file}") } else { file.into_owned() };
        let Changes { data, set, .. } = &self.changes;
        let data = data.iter().map(|folder| format!(" --data {}", quoted(&folder.to_string_lossy())));
        let set = set.iter().map(|(path, value)| format!(" --set {}", quoted(&format!("{path}={value}"))));
        let changes: String = data.chain(set).collect();
        let force = if self.force { " --force" } else { "" };
        format!("{folders}{} run {}{changes} --seed {seed}{force}", quoted(&program), quoted(&file))
    }

    /// The scenario's name, after its file.
    pub(super) fn name(&self) -> String {
        name_of(&self.file)
    }
}

/// What this program is called: one's own protocol has a program of its own.
pub(super) fn program() -> String {
    let program = std::env::args_os().next().map(PathBuf::from);
    let program = program.as_deref().and_then(Path::file_name).unwrap_or("rumormill".as_ref());
    program.to_string_lossy().into_owned()
}

fn name_of(file: &Path) -> String {
    file.file_stem().map_or("scenario".into(), |stem| stem.to_string_lossy().into_owned())
}

impl Changes {
    /// Reads, changes and checks a scenario.
    pub(super) fn load<C: DeserializeOwned + Default>(
        &self,
        file: &Path,
    ) -> Result<Outline<C>, ScenarioError> {
        let mut source = Source::read(file)?;
        for (path, value) in &self.set {
            let set = source.set(path, value);
            set.map_err(|reason| ScenarioError::NoSuchPlace { path: path.clone(), reason })?;
            source.name = format!("{} with {path}={value}", source.name);
        }
        if let Some(seed) = self.seed {
            // What has no place for a seed is no scenario; parsing it tells why.
            let _ = source.set("seed", &seed.number().to_string());
        }
        let mut outline: Outline<C> = Outline::parse(&source, &self.data_folders(file))?;
        if outline.file.title.is_empty() {
            outline.file.title = name_of(file);
        }
        Ok(outline)
    }

    /// Beside the scenario, then where the command line says, then where the environment says.
    fn data_folders(&self, file: &Path) -> DataFolders {
        let beside = file.parent().map(Path::to_path_buf);
        let named = std::env::var_os("RUMORMILL_DATA");
        let named = named.iter().flat_map(std::env::split_paths);
        DataFolders::new(beside.into_iter().chain(self.data.iter().cloned()).chain(named))
    }
}

impl Seed {
    /// The number; a random one is drawn here and told, so that the run can be repeated whatever happens.
    ///
    /// # Panics
    /// If the system has no random numbers.
    fn number(self) -> u64 {
        match self {
            Seed::Number(number) => number,
            Seed::Random => {
                let number = SysRng.try_next_u32().expect("the system has random numbers");
                super::complain::say(&format!("seed: {number}"));
                number.into()
            }
        }
    }
}

impl RunArguments {
    /// The command that makes the same results again.
    pub(super) fn repeat<C>(&self, file: &ScenarioFile<C>) -> String {
        let out = match self.out == Path::new(DEFAULT_OUT) {
            true => String::new(),
            false => format!(" --out {}", quoted(&self.out.to_string_lossy())),
        };
        let trace = if self.trace { " --trace" } else { "" };
        #[cfg(feature = "live")]
        let live = self.live.repeat();
        #[cfg(not(feature = "live"))]
        let live = "";
        let weaken = self.weaken.as_deref();
        let weaken = weaken.map_or(String::new(), |name| format!(" --weaken {}", quoted(name)));
        format!("{}{weaken}{out}{trace}{live}", self.scenario.repeat(file.seed, file.names_data()))
    }
}

/// Where results go unless one says otherwise.
pub(super) const DEFAULT_OUT: &str = "output";

/// Which picture a file is to hold.
#[cfg(feature = "draw")]
#[derive(Clone)]
pub(super) enum PictureFile {
    Png(PathBuf),
    Svg(PathBuf),
}

#[cfg(feature = "draw")]
impl std::str::FromStr for PictureFile {
    type Err = String;

    fn from_str(text: &str) -> Result<PictureFile, String> {
        let path = PathBuf::from(text);
        match path.extension().map(|extension| extension.to_ascii_lowercase()) {
            Some(extension) if extension == "png" => Ok(PictureFile::Png(path)),
            Some(extension) if extension == "svg" => Ok(PictureFile::Svg(path)),
            _ => Err("a picture is a .png or a .svg file".into()),
        }
    }
}

/// An argument as a POSIX shell takes it.
pub(super) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.into();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}
