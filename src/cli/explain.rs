//! `rumormill explain FILE NODE MESSAGE`: how a broadcast came to a node, or where each copy that headed there died; and how
//! it could have come at the earliest.

use super::arguments::ExplainArguments;
use super::progress::interrupted;
use super::run::SLICE;
use super::{Failure, memory, print};
use crate::fault::ConditionId;
use crate::id::NodeId;
use crate::judge::oracle::{Earliest, Leg, Oracle, ratio};
use crate::message::{Broadcast, Payload};
use crate::network::Network;
use crate::observe::chronicle::Publication;
use crate::observe::{Chronicle, DropReason, Fate, Inquest, Story, Trip, Wanted};
use crate::protocol::Protocol;
use crate::report::Prediction;
use crate::scenario::{Outline, Playback, Progress, Scenario};
use crate::sim::Sim;
use crate::time::Time;
use crate::units::{counted, human_duration};
use crate::world::World;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Write;

/// So many copies, or neighbors, are shown one by one.
const MOST_SHOWN: usize = 20;

type Simulated<P> = Sim<P, (Inquest, Chronicle)>;

/// A run that is over, and what is asked about it.
struct Case<'a, P: Protocol> {
    scenario: &'a Scenario<P::Config>,
    playback: &'a Playback<Simulated<P>>,
    node: NodeId,
    broadcast: &'a Broadcast,
    number: usize,
    publication: Publication,
    earliest: Earliest<'a>,
    text: String,
}

pub(super) fn explain<P>(arguments: &ExplainArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let outline: Outline<P::Config> = arguments.scenario.load()?;
    outline.check_for::<P>()?;
    if !arguments.scenario.force {
        memory::ensure_room(Prediction::of::<P>(&outline).memory)?;
    }
    let scenario = outline.build();
    let nobody = || Failure::Usage(format!("there is no node {}", arguments.node));
    let node = scenario.find(&arguments.node).ok_or_else(nobody)?;
    let playback = play::<P>(&scenario, Inquest::new(arguments.message.clone(), node))?;
    let nodes = playback.network().size();
    if node.index() >= nodes {
        let last = nodes.saturating_sub(1);
        return Err(Failure::Usage(format!("there is no node {node}: the last is {last}", node = node.0)));
    }
    let payload = find(&playback, &arguments.message)?;
    let world = playback.network().world();
    let latency = |from, to| world.latency(from, to);
    let (_, chronicle) = playback.network().observer();
    let oracle = Oracle::new(chronicle, &latency);
    let publication = chronicle.publications()[payload.index()];
    let case = Case {
        scenario: &scenario,
        playback: &playback,
        node,
        broadcast: world.broadcasts().get(payload),
        number: payload.index(),
        publication,
        earliest: oracle.ask(publication),
        text: String::new(),
    };
    let (text, code) = case.tell();
    print(text.trim_end())?;
    Ok(code)
}

/// Plays the scenario to its end.
fn play<P: Protocol>(
    scenario: &Scenario<P::Config>,
    inquest: Inquest,
) -> Result<Playback<Simulated<P>>, Failure> {
    let observers = (inquest, Chronicle::new(scenario.graph.clone()));
    let network = Network::observed(scenario.sim_config::<P>(), scenario.file.seed, observers);
    let mut playback = Playback::new(network, scenario);
    while playback.advance(SLICE) != Progress::Ended {
        if interrupted() {
            return Err(Failure::Interrupted);
        }
    }
    Ok(playback)
}

/// The broadcast that is meant.
fn find<P: Protocol>(playback: &Playback<Simulated<P>>, wanted: &Wanted) -> Result<Payload, Failure> {
    let (inquest, _) = playback.network().observer();
    let all = playback.network().world().broadcasts().len();
    let which = match wanted {
        Wanted::Number(number) => format!("broadcast {number}"),
        Wanted::Prefix(prefix) => format!("broadcast whose id begins with {prefix}"),
    };
    match inquest.payload() {
        Some(payload) if inquest.fitting() == 1 => Ok(payload),
        Some(_) => Err(Failure::Usage(format!("there are {} of a {which}", counted(inquest.fitting())))),
        None if all == 0 => Err(Failure::Usage(format!("there is no {which}: nothing was broadcast"))),
        None => Err(Failure::Usage(format!("there is no {which}: they go from 0 to {}", all - 1))),
    }
}

impl<P: Protocol> Case<'_, P> {
    /// All there is to say, and the exit code.
    fn tell(mut self) -> (String, u8) {
        let Publication { origin, at } = self.publication;
        let id = &self.broadcast.message.id.to_string()[..8];
        let (number, digest) = (self.number, self.playback.network().digest());
        let by = self.name(origin);
        self.line(&format!("{} (seed {})", self.scenario.file.title, self.scenario.file.seed));
        self.line(&format!("  broadcast    {number} {id}, published by {by} at {}", at.time));
        let code = match self.inquest().story(self.node).copied().filter(|story| story.delivered.is_some()) {
            Some(story) => {
                self.tell_success(&story);
                0
            }
            None => self.tell_failure(),
        };
        self.tell_earliest();
        self.line(&format!("\n  digest       {digest}"));
        (self.text, code)
    }

    fn tell_success(&mut self, story: &Story) {
        let (delivered, name) = (story.delivered.unwrap_or(story.received), self.name(self.node));
        let took = self.after(delivered);
        self.line(&format!("  delivered    by {name} at {delivered}, {took}"));
        if story.from.is_none() {
            return self.line("\n  it is the origin, or had it from itself");
        }
        self.line("\n  how it came");
        for (to, story) in self.way() {
            let (Some(from), sent) = (story.from, story.sent.unwrap_or(story.received)) else { continue };
            self.tell_leg(Leg { from, to, left: sent, arrived: story.received });
        }
    }

    /// From the origin to the node, as far as it can be told.
    fn way(&self) -> Vec<(NodeId, Story)> {
        let mut way: Vec<(NodeId, Story)> = Vec::new();
        let mut next = Some(self.node);
        while let Some(node) = next {
            let Some(&story) = self.inquest().story(node) else { break };
            // Whoever lost it and got it again, has it from those who had it from him.
            if way.last().is_some_and(|(_, later)| later.received < story.received)
                || way.len() > self.nodes()
            {
                break;
            }
            way.push((node, story));
            next = story.from;
        }
        way.reverse();
        way
    }

    /// The exit code.
    fn tell_failure(&mut self) -> u8 {
        let name = self.name(self.node);
        self.line(&format!("  undelivered  {name} did not deliver it until {}, the end", self.end()));
        let trips = self.inquest().trips().to_vec();
        match trips.is_empty() {
            true => self.tell_neighbors(),
            false => self.tell_trips(&trips),
        }
        let is_under_way = trips.iter().any(|trip| trip.fate == Fate::UnderWay);
        match self.earliest.at(self.node) {
            _ if is_under_way => 2,
            Some(time) if time > self.end() => 2,
            Some(_) => 1,
            None => 3,
        }
    }

    fn tell_trips(&mut self, trips: &[Trip]) {
        self.line("\n  the copies that headed there");
        for trip in trips.iter().take(MOST_SHOWN) {
            let (from, fate) = (self.name(trip.from), self.fate(trip));
            let sent = trip.sent.map_or("another copy".to_owned(), |sent| format!("sent at {sent}"));
            self.line(&format!("    from {from}, {sent}: {fate}"));
        }
        self.tell_rest(trips.len());
    }

    fn fate(&self, &Trip { fate, time, .. }: &Trip) -> String {
        let reason = match fate {
            Fate::UnderWay => return "still on its way".into(),
            Fate::Arrived => return format!("came in at {time}, and was not delivered"),
            Fate::Dropped(reason) => reason,
        };
        match reason {
            DropReason::NoLink => "refused, for no link was up".into(),
            DropReason::OldSession => {
                format!("came at {time}, when the session in which it was sent had ended")
            }
            DropReason::Loss => "lost by the link".into(),
            DropReason::Stopped => format!("came at {time}, when the receiver was down"),
            DropReason::Cut(id) => format!("cut by {}, and lost at {time}", self.step(id)),
            DropReason::Lost(id) => format!("lost by {}", self.step(id)),
        }
    }

    fn step(&self, id: ConditionId) -> String {
        match self.playback.step_of(id) {
            Some((step, name)) => format!("step {step} ({name})"),
            None => "a fault".into(),
        }
    }

    /// Nothing headed there: who could have sent something?
    fn tell_neighbors(&mut self) {
        let peers = self.earliest.peers(self.node, self.publication.at.time);
        if peers.is_empty() {
            return self
                .line("\n  no copy headed there, and nobody had a link to it from the publication on");
        }
        self.line("\n  no copy headed there; those who had a link to it from the publication on");
        for &peer in peers.iter().take(MOST_SHOWN) {
            let had = match self.inquest().story(peer) {
                Some(Story { received, .. }) => format!("had it from {received} on, and sent none"),
                None => "never had it".into(),
            };
            self.line(&format!("    {}: {had}", self.name(peer)));
        }
        self.tell_rest(peers.len());
    }

    fn tell_rest(&mut self, all: usize) {
        if let more @ 1.. = all.saturating_sub(MOST_SHOWN) {
            self.line(&format!("    … and {} more", counted(more)));
        }
    }

    fn tell_earliest(&mut self) {
        let Some(path) = self.earliest.path(self.node) else {
            let why = self.why_impossible();
            return self.line(&format!("\n  impossible   {why}"));
        };
        let Some(last) = path.last() else { return };
        let published = self.publication.at.time;
        let took = self.after(last.arrived);
        let delivered = self.inquest().story(self.node).and_then(|story| story.delivered);
        let stretch = delivered.map_or(String::new(), |time| {
            format!(" (stretch {:.4})", ratio([time, last.arrived].map(|time| time.since(published))))
        });
        self.line(&format!("\n  the earliest possible way: there at {}, {took}{stretch}", last.arrived));
        path.into_iter().for_each(|leg| self.tell_leg(leg));
    }

    fn why_impossible(&self) -> String {
        let published = self.publication.at.time;
        let name = self.name(self.node);
        if !self.earliest.was_up(self.node, published) {
            return format!("{name} was not up after the publication");
        }
        if self.earliest.peers(self.node, published).is_empty() {
            return format!("{name} had no link after the publication");
        }
        match self.earliest.reach() {
            (could, 0) => format!(
                "all who could have had it, {} at most, crashed and lost it before it could come to {name}",
                nodes(could)
            ),
            (could, _) => format!(
                "of those who could have had it, {} at most, nobody was linked to {name} in time",
                nodes(could)
            ),
        }
    }

    fn tell_leg(&mut self, Leg { from, to, left, arrived }: Leg) {
        let [from, to] = [from, to].map(|node| self.name(node));
        let took = human_duration(arrived.since(left));
        self.line(&format!("    {from} at {left} → {to} at {arrived}  ({took})"));
    }

    fn line(&mut self, text: &str) {
        // Writing to a text never fails.
        let _ = writeln!(self.text, "{text}");
    }

    fn inquest(&self) -> &Inquest {
        &self.playback.network().observer().0
    }

    /// `node 7`, or `node 7 (Berlin)`.
    fn name(&self, node: NodeId) -> String {
        match self.scenario.name_of(node) {
            name if name == node.0.to_string() => format!("node {name}"),
            name => format!("node {} ({name})", node.0),
        }
    }

    fn after(&self, time: Time) -> String {
        format!("{} after its publication", human_duration(time.since(self.publication.at.time)))
    }

    fn nodes(&self) -> usize {
        self.playback.network().size()
    }

    fn end(&self) -> Time {
        self.playback.network().now()
    }
}

fn nodes(count: usize) -> String {
    if count == 1 { "1 node".into() } else { format!("{} nodes", counted(count)) }
}
