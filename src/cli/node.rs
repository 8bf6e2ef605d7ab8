//! `rumormill node`: a node of a real network, for people and for scripts.
//!
//! Everything happens on one thread, one thing after the other: lines that are typed, what the node reports, signals. Only
//! waiting is done elsewhere.

mod arguments;
mod diary;
mod home;
mod http;
pub(super) mod input;
mod orders;
pub(super) mod show;

use super::arguments::{program, quoted};
use super::{Failure, complain};
use crate::id::{Contact, NodeId};
use crate::live::{Live, LiveConfig, Place, Report, StartError, Unmet, noise::Refused};
use crate::network::{BROADCAST_TITLE, DIRECT_TITLE, Network};
use crate::protocol::{Command, Notice, Protocol, State};
use crate::units::grouped;
#[cfg(feature = "draw")]
pub(super) use arguments::parse_address;
pub(super) use arguments::{
    ClusterArguments, HELP, NodeArguments, SecretArguments, SecretOrder, ShutdownArguments, VisitArguments,
};
use home::Home;
pub(super) use home::{admin_beside, default_secret};
use http::Web;
use input::{Input, Keyboard, MOST_TEXT, Voice};
use orders::Order;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;
#[expect(clippy::disallowed_types, reason = "a person's time is that of the wall clock")]
use std::time::Instant;

/// So often the secret's file is looked at, among other things.
const GLANCE: Duration = Duration::from_secs(2);
/// While lines wait for something of which nobody tells.
const SHORT_GLANCE: Duration = Duration::from_millis(5);
/// So long a node waits until it asks again whether a contact is there.
const NEXT_TRY: Duration = Duration::from_secs(1);
/// So long leaving may take.
const LEAVE_TIME: Duration = Duration::from_secs(8);
/// So long a node goes on when the network is shut down, so that the others hear of it.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// So long what was written may take to get out.
const FAREWELL: Duration = Duration::from_millis(100);
/// So many lines may wait on a terminal.
const MOST_WAITING: usize = 1_000;

/// What happens.
enum Event {
    Input(Input),
    Report(Report),
    /// Somebody wants the process to end.
    Signal,
}

pub(super) fn run<P>(arguments: &NodeArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Default + Sync,
{
    let (home, keypair, secrets) = Home::open(arguments)?;
    let listener = arguments.http.map(http::listen).transpose()?;
    if let Some(file) = &arguments.events {
        diary::open(file, arguments.weight)?;
    }
    let config = LiveConfig { forgets: true, ..LiveConfig::new(P::Config::default(), secrets) };
    let mut live: Live<P> =
        Live::new(config, ()).map_err(|error| Failure::Unusable(format!("cannot start: {error}")))?;
    let (events, inbox) = mpsc::channel();
    let reports = events.clone();
    live.report_to(move |_, report| _ = reports.send(Event::Report(report)));
    let place =
        Place { keypair, listen: arguments.listen, advertised: arguments.advertise, log: Some(home.log()) };
    let node = live.start(place).map_err(|error: StartError| Failure::Unusable(error.to_string()))?;
    let web = listener.map(|listener| Web::open(listener, live.window(node))).transpose()?;
    let network = Network::of(live);
    let remembers = !network.view(node).known.is_empty();
    if !(remembers || arguments.genesis) && arguments.join.is_empty() {
        let why =
            "this node remembers nobody: go on alone with --genesis, or join a network with --join ADDRESS";
        return Err(Failure::Usage(why.into()));
    }
    listen_to_signals(&events);
    let inputs = events.clone();
    let tell = move |input| _ = inputs.send(Event::Input(input));
    let (keyboard, voice) = input::open(Some(home.folder.join("history")), tell);
    let mut console = Console {
        network,
        node,
        web,
        home,
        voice,
        is_terminal: keyboard.is_terminal,
        keyboard: Some(keyboard),
        contacts: arguments.join.clone(),
        waiting: VecDeque::new(),
        way: Way::Out,
        told: String::new(),
        unsafe_broadcasts: 0,
        unconfirmed: 0,
        next_glance: now(),
        json: arguments.json,
        leaves_at_end: arguments.leave_at_end,
        end: None,
    };
    console.introduce(arguments);
    console.set_out(remembers || arguments.genesis);
    let code = console.attend(&inbox)?;
    console.voice.finish()?;
    Ok(code)
}

#[expect(clippy::disallowed_types, reason = "a person's time is that of the wall clock")]
fn now() -> Instant {
    Instant::now()
}

/// How a node comes into the network.
#[expect(clippy::disallowed_types, reason = "as above")]
enum Way {
    /// It was not told to join yet.
    Out,
    /// It asks its contacts again at this time.
    Asking(Instant),
    /// It was told to join.
    In,
}

/// How the process ends.
#[expect(clippy::disallowed_types, reason = "as above")]
enum End {
    /// The node leaves, until this time; first it waits for what is still to be safe, or to be confirmed.
    Leaving {
        deadline: Instant,
        is_under_way: bool,
    },
    /// The network is shut down, and the node goes on until this time.
    ShuttingDown(Instant),
    Over(u8),
}

/// A node and whoever sits in front of it.
struct Console<P: Protocol>
where
    P::Config: Sync,
{
    network: Network<Live<P>>,
    node: NodeId,
    /// What the node shows over HTTP, if it was asked to.
    web: Option<Web>,
    home: Home,
    voice: Voice,
    /// None: nothing is read any more.
    keyboard: Option<Keyboard>,
    is_terminal: bool,
    /// Through whom to join, as given.
    contacts: Vec<String>,
    /// Lines that the node has not taken yet.
    waiting: VecDeque<Order>,
    way: Way,
    /// What was said last about why it waits.
    told: String,
    /// Own broadcasts that are not in the log yet: nobody has heard of them.
    unsafe_broadcasts: u64,
    /// Own direct messages of which it is not known whether they arrived.
    unconfirmed: u64,
    #[expect(clippy::disallowed_types, reason = "as above")]
    next_glance: Instant,
    json: bool,
    leaves_at_end: bool,
    end: Option<End>,
}

impl<P: Protocol> Console<P>
where
    P::Config: Sync,
{
    fn me(&self) -> Contact {
        self.network.world().contact(self.node)
    }

    fn introduce(&mut self, arguments: &NodeArguments) {
        let me = self.me();
        let address = me.address.expect("a node knows its own address");
        let home = self.home.folder.display();
        self.voice.note(&format!("node {} listens at {address}; its home is {home}", me.identity));
        if arguments.genesis {
            let secret = std::path::absolute(&self.home.secret_file);
            let secret = secret.as_ref().unwrap_or(&self.home.secret_file).to_string_lossy().into_owned();
            let (here, mut there) = (address.to_string(), address);
            there.set_port(address.port().checked_add(1).unwrap_or(5_050));
            if address.ip().is_loopback() {
                self.voice.note("others join, in another terminal, with");
            } else {
                there.set_ip(std::net::Ipv4Addr::UNSPECIFIED.into());
                self.voice.note("others join with this, once the file of the secret was copied to them");
            }
            let here = if address.ip().is_unspecified() {
                "THIS-MACHINE:".to_owned() + &address.port().to_string()
            } else {
                here
            };
            self.voice.show(&format!(
                "  {} node --listen {there} --join {here} --secret {}",
                quoted(&program()),
                quoted(&secret)
            ));
        }
        if let Some(web) = &self.web {
            self.voice.note(&format!("its page is at http://{}/", web.address));
            if !web.address.ip().is_loopback() {
                self.voice.note(
                    "whoever reaches that address can read everything that is broadcast, not encrypted",
                );
            }
        }
        if self.is_terminal {
            self.voice.note("what you type is broadcast; /help tells what else there is");
        }
    }

    /// Joins at once if nobody has to answer for that; else as soon as somebody does.
    fn set_out(&mut self, may_be_alone: bool) {
        if !may_be_alone {
            self.way = Way::Asking(now());
            return;
        }
        let contacts = self.reachable().unwrap_or_default();
        self.join(contacts);
    }

    fn join(&mut self, contacts: Vec<NodeId>) {
        self.way = Way::In;
        self.web.iter().for_each(Web::set_out);
        self.network.command(self.node, Command::Join { contacts });
    }

    /// Those of the given contacts that answer now, or why none does.
    fn reachable(&mut self) -> Result<Vec<NodeId>, String> {
        let (mut found, mut reasons) = (Vec::new(), Vec::new());
        for contact in &self.contacts {
            let met = arguments::parse_address(contact).and_then(|address: SocketAddr| {
                self.network.world().who_is(self.node, address).map_err(|error| reason(&error))
            });
            match met {
                Ok(node) => found.push(node),
                Err(reason) => reasons.push(format!("{contact}: {reason}")),
            }
        }
        if found.is_empty() { Err(reasons.join("; ")) } else { Ok(found) }
    }

    /// Lets things happen until the end; the exit code.
    fn attend(&mut self, inbox: &Receiver<Event>) -> Result<u8, Failure> {
        loop {
            let event = match inbox.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.voice.flush()?;
                    match inbox.recv_timeout(self.pause()) {
                        Err(RecvTimeoutError::Timeout) => None,
                        event => Some(event.expect("the console itself could send")),
                    }
                }
                event => Some(event.expect("the console itself could send")),
            };
            match event {
                Some(Event::Input(input)) => self.on_input(input)?,
                Some(Event::Report(report)) => self.on_report(report)?,
                Some(Event::Signal) => self.on_interrupt(),
                None => {}
            }
            self.glance()?;
            self.work_off()?;
            if let Some(End::Over(code)) = self.end {
                self.web.iter().for_each(Web::end);
                // What is still on its way to others may go out.
                _ = inbox.recv_timeout(FAREWELL);
                return Ok(code);
            }
        }
    }

    fn pause(&self) -> Duration {
        let next = match (&self.end, &self.way) {
            (Some(End::Leaving { deadline, is_under_way }), _) => {
                if *is_under_way {
                    *deadline
                } else {
                    *deadline - LEAVE_TIME / 2
                }
            }
            (Some(End::ShuttingDown(deadline)), _) => *deadline,
            (_, Way::Asking(next)) => *next,
            _ if self.waiting.is_empty() => self.next_glance,
            _ => return SHORT_GLANCE,
        };
        next.saturating_duration_since(now()).min(GLANCE)
    }

    /// Looks after what nobody tells of.
    fn glance(&mut self) -> Result<(), Failure> {
        let now = now();
        if let Some(End::Leaving { deadline, ref mut is_under_way }) = self.end {
            let is_done = self.unsafe_broadcasts == 0 && self.unconfirmed == 0;
            if now >= deadline {
                self.voice.note("leaving takes too long; the others will notice that this node is gone");
                self.end = Some(End::Over(1));
            } else if !*is_under_way && (is_done || now >= deadline - LEAVE_TIME / 2) {
                *is_under_way = true;
                self.network.leave(self.node);
            }
        }
        if let Some(End::ShuttingDown(deadline)) = self.end
            && now >= deadline
        {
            self.end = Some(End::Over(0));
        }
        if let Way::Asking(next) = self.way
            && now >= next
            && self.end.is_none()
        {
            self.ask();
        }
        if now < self.next_glance {
            return Ok(());
        }
        self.next_glance = now + GLANCE;
        match self.home.new_secrets() {
            Some(Ok(secrets)) => {
                self.network.world().set_secrets(secrets);
                self.voice.note("the secret has changed; new connections are made with the new one");
            }
            Some(Err(error)) => self.voice.note(&format!("the secret as it was still holds: {error}")),
            None => {}
        }
        if let Some(failure) = self.network.world().log_failure(self.node) {
            // Without its log it could deliver things twice.
            let (what, error) =
                (format!("the log in {}", self.home.folder.display()), std::io::Error::other(failure));
            return Err(Failure::Output { what, error });
        }
        Ok(())
    }

    fn ask(&mut self) {
        match self.reachable() {
            Ok(contacts) => self.join(contacts),
            Err(reasons) => {
                if self.told != reasons {
                    self.voice.note(&format!("cannot join yet, and goes on trying: {reasons}"));
                    self.told = reasons;
                }
                self.way = Way::Asking(now() + NEXT_TRY);
            }
        }
    }

    fn on_input(&mut self, input: Input) -> Result<(), Failure> {
        match input {
            Input::Line(line) => match Order::parse(&line) {
                Ok(Some(order)) => return self.take(order),
                Ok(None) => {}
                Err(why) => self.voice.note(&why),
            },
            Input::TooLong(length) => self.voice.note(&format!(
                "not sent: this line has {} bytes, and a text may have {}",
                grouped(length),
                grouped(MOST_TEXT as u64)
            )),
            Input::Interrupt => {
                self.on_interrupt();
                return Ok(());
            }
            Input::End => {
                self.keyboard = None;
                if self.is_terminal || self.leaves_at_end {
                    self.waiting.push_back(Order::Leave);
                }
                return Ok(());
            }
        }
        self.next_line();
        Ok(())
    }

    fn next_line(&self) {
        if let Some(keyboard) = self.keyboard.as_ref().filter(|_| self.end.is_none()) {
            keyboard.go_on();
        }
    }

    /// Takes an order; from a pipe, the next line is read when this one is done.
    fn take(&mut self, order: Order) -> Result<(), Failure> {
        let must_wait = |order: &Order| matches!(order, Order::Broadcast(_) | Order::Send { .. });
        if !must_wait(&order) {
            self.carry_out(order)?;
            self.next_line();
            return Ok(());
        }
        if self.waiting.len() >= MOST_WAITING {
            self.voice.note("not sent: too many lines wait already");
        } else {
            self.waiting.push_back(order);
        }
        let before = self.waiting.len();
        self.work_off()?;
        if self.is_terminal {
            if before == 1 && !self.waiting.is_empty() && self.end.is_none() {
                self.voice.note(match self.is_member() {
                    true => "waits: the neighbors or the disk are behind",
                    false => "waits until this node is a part of the network",
                });
            }
            self.next_line();
        }
        Ok(())
    }

    fn is_member(&self) -> bool {
        matches!(self.way, Way::In) && self.network.state(self.node) == State::Member
    }

    /// Does what waits, as far as it can be done now.
    fn work_off(&mut self) -> Result<(), Failure> {
        while self.end.is_none()
            && (self.waiting.front() == Some(&Order::Leave)
                || (!self.waiting.is_empty() && self.is_member() && !self.network.world().is_busy(self.node)))
        {
            let order = self.waiting.pop_front().expect("one is there");
            self.carry_out(order)?;
            if !self.is_terminal {
                self.next_line();
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, order: Order) -> Result<(), Failure> {
        match order {
            Order::Broadcast(text) => {
                match self.network.broadcast_titled(self.node, BROADCAST_TITLE, &text) {
                    Some(_) => self.unsafe_broadcasts += 1,
                    None => self.voice.note("not sent: more waits for the disk than it takes; try again"),
                }
            }
            Order::Send { to, text } => match self.find(&to) {
                Ok(to) => {
                    let (title, message) = (DIRECT_TITLE.into(), text);
                    self.unconfirmed += 1;
                    self.network.command(self.node, Command::Send { to, title, message });
                }
                Err(why) => self.voice.note(&format!("not sent: {why}")),
            },
            Order::Peers => return self.list("neighbor", self.network.view(self.node).neighbors),
            Order::Known => return self.list("known node", self.network.view(self.node).known),
            Order::Status => {
                let mut status = self.network.world().status(self.node);
                if !matches!(self.way, Way::In) {
                    status.state = State::Joining;
                }
                return match self.json {
                    true => {
                        let status = serde_json::json!({ "status": show::status_as_json(&status) });
                        self.voice.tell(&status.to_string())
                    }
                    false => {
                        let mut lines = show::status(&status);
                        lines.push(format!("home         {}", self.home.folder.display()));
                        self.voice.tell(&lines.join("\n"))
                    }
                };
            }
            Order::Network => {
                if self.is_member() {
                    self.network.census(self.node);
                } else {
                    self.voice.note("this node is no part of a network yet");
                }
            }
            Order::Leave => self.leave(),
            Order::Quit => self.end = Some(End::Over(0)),
            Order::Help => return self.voice.tell(orders::HELP),
        }
        Ok(())
    }

    fn list(&mut self, title: &str, nodes: Vec<NodeId>) -> Result<(), Failure> {
        let mut contacts: Vec<Contact> =
            nodes.into_iter().map(|node| self.network.world().contact(node)).collect();
        contacts.sort_by_key(|contact| contact.identity);
        match self.json {
            true => self.voice.tell(&show::nodes_as_json(title, &contacts).to_string()),
            false => self.voice.tell(&show::nodes(title, &contacts)),
        }
    }

    /// Whom a person means: by the first digits of an identity, or by an address.
    fn find(&self, who: &str) -> Result<NodeId, String> {
        let wanted = who.to_ascii_lowercase();
        if !wanted.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let address = arguments::parse_address(who).map_err(|why| {
                format!("{who} is neither the beginning of an identity nor an address ({why})")
            })?;
            if self.me().address == Some(address) {
                return Ok(self.node);
            }
            return self
                .network
                .world()
                .who_is(self.node, address)
                .map_err(|error| format!("{who}: {}", reason(&error)));
        }
        let known = self.network.view(self.node).known;
        let is_it =
            |node: &NodeId| show::digits(self.network.world().contact(*node).identity).starts_with(&wanted);
        let found: Vec<NodeId> = known.into_iter().chain([self.node]).filter(is_it).collect();
        match found[..] {
            [node] => Ok(node),
            [] => Err(format!("no identity that begins with {who} is known here; /known lists them")),
            _ => Err(format!("{} known identities begin with {who}; give more digits", found.len())),
        }
    }

    fn on_interrupt(&mut self) {
        match self.end {
            None => self.leave(),
            Some(End::Leaving { .. } | End::ShuttingDown(_)) => self.end = Some(End::Over(130)),
            Some(End::Over(_)) => {}
        }
    }

    /// Leaves in good order; what waits is not sent any more.
    fn leave(&mut self) {
        let unsent = self.waiting.iter().filter(|order| **order != Order::Leave).count();
        if unsent > 0 {
            self.voice.note(&format!("{unsent} lines that waited were not sent"));
        }
        if let Way::In = self.way {
            self.end = Some(End::Leaving { deadline: now() + LEAVE_TIME, is_under_way: false });
            if self.is_terminal {
                self.voice.note("leaving");
            }
        } else {
            self.end = Some(End::Over(0));
        }
    }

    fn on_report(&mut self, report: Report) -> Result<(), Failure> {
        if let Report::Delivered(broadcast) = &report
            && broadcast.origin.node == self.node
        {
            self.unsafe_broadcasts = self.unsafe_broadcasts.saturating_sub(1);
        }
        self.web.iter().for_each(|web| web.tell(&report));
        match report {
            Report::Delivered(broadcast) if self.json => return self.tell_as_json(&broadcast.message),
            Report::Received { message, .. } if self.json => return self.tell_as_json(&message),
            Report::Delivered(broadcast) => {
                let who = broadcast.identity.to_string();
                let who = if broadcast.identity == self.me().identity { who + " (you)" } else { who };
                return self.voice.tell(&show::message(&broadcast.message, &who));
            }
            Report::Received { from, message } => {
                return self.voice.tell(&show::message(&message, &format!("{from} (to you alone)")));
            }
            Report::Noticed(notice) => return self.on_notice(notice),
            Report::ToShutDown => {
                self.voice.note("the admin shuts the network down");
                self.end = Some(End::ShuttingDown(now() + LAST_WORDS));
            }
            Report::Stopped => {
                if self.is_terminal {
                    self.voice.note("left");
                }
                self.end = Some(End::Over(0));
            }
        }
        Ok(())
    }

    fn tell_as_json(&mut self, message: &crate::message::Message) -> Result<(), Failure> {
        self.voice.tell(&serde_json::to_string(message).expect("messages can be written as JSON"))
    }

    fn on_notice(&mut self, notice: Notice) -> Result<(), Failure> {
        match notice {
            Notice::Joined => {
                let neighbors = self.network.view(self.node).neighbors.len();
                self.voice.note(match neighbors {
                    0 => "in a network of its own, until others come",
                    _ => "joined: a part of the network",
                });
            }
            Notice::Counted(census) => {
                return match self.json {
                    true => self.voice.tell(&serde_json::json!({ "network": census }).to_string()),
                    false => self.voice.tell(&show::census(&census)),
                };
            }
            Notice::Resolved { to, delivered, .. } => {
                self.unconfirmed = self.unconfirmed.saturating_sub(1);
                let to = self.network.world().contact(to).identity;
                self.voice.note(&match delivered {
                    true => format!("{to} has your message"),
                    false => format!("{to} has not confirmed your message: it may be lost"),
                });
            }
            Notice::Gap { origin, first, last } => {
                let origin = self.network.world().contact(origin.node).identity;
                let count = grouped(last.saturating_sub(first).saturating_add(1));
                self.voice.note(&format!(
                    "a gap: {count} broadcasts of {origin} will never come; they are too old for everybody who was asked"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Why somebody was not met, and what to do about it.
fn reason(error: &Unmet) -> String {
    match error {
        Unmet::Refused(Refused::Unanswered) => {
            "somebody is there, but turned this node away: it has another secret (is --secret the file of that network, as \
             it is now?), or another version of this program"
                .into()
        }
        Unmet::Refused(Refused::Myself) => "that is this node itself".into(),
        _ => error.to_string(),
    }
}

/// The first SIGINT or SIGTERM lets the node leave, a second one ends the process.
#[cfg(unix)]
fn listen_to_signals(events: &Sender<Event>) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let events = events.clone();
    let signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]);
    let Ok(mut signals) = signals else { return complain::say("signals cannot be heard: leave with /leave") };
    input::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(130);
            }
            _ = events.send(Event::Signal);
        }
    });
}

/// Elsewhere a Ctrl-C is noticed a little later.
#[cfg(not(unix))]
fn listen_to_signals(events: &Sender<Event>) {
    let events = events.clone();
    input::spawn(move || {
        while !super::progress::interrupted() {
            #[expect(clippy::disallowed_methods, reason = "no simulation runs here")]
            std::thread::sleep(SHORT_GLANCE * 20);
        }
        _ = events.send(Event::Signal);
    });
}
