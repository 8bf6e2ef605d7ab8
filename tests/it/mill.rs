//! The mill: what goes through it, what does not, and whether either means anything.

use rumormill::judge::Verdict;
use rumormill::message::Payload;
use rumormill::mill::{Broken, FailedCase, Failure, Families, Family, Mill};
use rumormill::node::OverlayKind;
use rumormill::report::Summary;
use rumormill::scenario::{DataFolders, Expectation, Scenario, Source};
use rumormill::{Command, Node, NodeConfig, NodeId, Notice, Protocol, Transport, Wire};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The tutorial's overlay with a flood: what the mill is to find out about.
fn tutorial() -> NodeConfig {
    NodeConfig { overlay: Some(OverlayKind::Tutorial), ..NodeConfig::default() }
}

/// What harms no message and no link for good.
const HARMLESS: [Family; 4] = [Family::Send, Family::Delay, Family::Slow, Family::Clock];

/// A flood that makes the mistake that it is told to make.
struct Clumsy {
    mistake: Mistake,
    heard: Vec<Payload>,
    neighbors: Vec<NodeId>,
    number: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Mistake {
    #[default]
    None,
    /// It tells only one neighbor.
    Whispers,
    /// It panics at the third broadcast.
    Faints,
    /// It sends back whatever it hears.
    Babbles,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rumor(Payload);

impl Wire for Rumor {
    fn payload(&self) -> Option<Payload> {
        Some(self.0)
    }
}

impl Clumsy {
    fn hear(&mut self, net: &mut impl Transport<Self>, payload: Payload) {
        if !self.heard.contains(&payload) {
            self.heard.push(payload);
            net.notify(Notice::Delivered { payload, hops: 0 });
            let most = if self.mistake == Mistake::Whispers { 1 } else { usize::MAX };
            self.neighbors.iter().take(most).for_each(|&peer| net.send(peer, Rumor(payload)));
        }
        assert!(self.mistake != Mistake::Faints || self.heard.len() < 3, "this is too much");
    }
}

impl Protocol for Clumsy {
    type Config = Mistake;
    type Message = Rumor;
    type Timer = ();
    type Record = ();

    fn start(mistake: &Mistake, _: &[()], _: &mut impl Transport<Self>) -> Self {
        Clumsy { mistake: *mistake, heard: Vec::new(), neighbors: Vec::new(), number: 0 }
    }

    fn on_link_up(&mut self, _: &mut impl Transport<Self>, peer: NodeId) {
        self.neighbors.push(peer);
    }

    fn on_message(&mut self, net: &mut impl Transport<Self>, from: NodeId, Rumor(payload): Rumor) {
        if self.mistake == Mistake::Babbles {
            net.send(from, Rumor(payload));
        }
        self.hear(net, payload);
    }

    fn on_command(&mut self, net: &mut impl Transport<Self>, command: Command) {
        if let Command::Broadcast { title, message } = command {
            let payload = net.publish(1, self.number, title, message);
            self.number += 1;
            self.hear(net, payload);
        }
    }

    fn can_join(_: &Mistake) -> bool {
        false
    }
}

/// What the ordinary way of running a scenario says about it.
fn run<P>(text: &str) -> Summary
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    let source = Source { name: "printed".into(), text: text.into() };
    let scenario = Scenario::<P::Config>::parse(&source, &DataFolders::default()).unwrap();
    Summary::simulate::<P>(&scenario, 1_000, |_, _| true).0
}

fn failed<P>(mill: Mill<P>) -> FailedCase<P::Config>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    match mill.run() {
        Err(Failure::Case(case)) => *case,
        Err(other) => panic!("no case failed: {other}"),
        Ok(ground) => panic!("no case failed: {ground}"),
    }
}

/// A mill for the protocol with this mistake, and no harm that would be an excuse.
fn calm(mistake: Mistake) -> Mill<Clumsy> {
    Mill::new(mistake).cases(200).families(HARMLESS)
}

#[test]
fn a_flood_goes_through_where_nothing_gets_lost() {
    let ground = calm(Mistake::None).run().unwrap();
    assert_eq!((ground.cases(), ground.failures(), ground.verdict()), (200, 0, Verdict::Pass));
    assert!(ground.passed > 180 && ground.deliveries > 1_000, "{ground}");
}

#[test]
fn a_mistake_is_found_and_its_scenario_fails_in_the_same_way() {
    let case = failed(calm(Mistake::Whispers));
    assert!(case.moves <= 2, "{}", case.text);
    let summary = run::<Clumsy>(&case.text);
    let findings = &summary.judgement.findings;
    let first = findings.iter().find(|finding| finding.verdict == Verdict::Fail).unwrap();
    assert_eq!(case.breach.what, Broken::Expectation(first.expectation.clone()));
    assert_eq!(case.breach.evidence, first.evidence);
    assert!(case.tell("rumormill").ends_with("run mill.json"), "{}", case.tell("rumormill"));
}

#[test]
fn a_node_that_panics_fails_its_case() {
    let case = failed(calm(Mistake::Faints));
    assert_eq!(case.breach.what, Broken::Panic);
    assert!(case.breach.evidence.contains("this is too much"), "{}", case.breach.evidence);
    assert!(case.moves <= 3, "{}", case.text);
    let again = std::panic::catch_unwind(|| run::<Clumsy>(&case.text));
    assert!(again.is_err(), "it panics again");
}

#[test]
fn a_case_that_runs_away_fails() {
    let case = failed(calm(Mistake::Babbles).most_events(20_000));
    assert_eq!(case.breach.what, Broken::Runaway);
}

#[test]
fn the_same_seed_gives_the_same_cases_and_the_same_smallest_script() {
    let texts = [7, 7, 8].map(|seed| failed(Mill::<Node>::new(tutorial()).seed(seed)).text);
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
    let grounds = [7, 7, 8].map(|seed| calm(Mistake::None).cases(20).seed(seed).run().unwrap());
    assert_eq!(grounds[0], grounds[1]);
    assert_ne!(grounds[0], grounds[2]);
}

#[test]
fn the_tutorial_fails_and_a_small_script_shows_why() {
    let case = failed(Mill::<Node>::new(tutorial()));
    assert!(case.moves <= 3, "{}", case.text);
    assert_eq!(run::<Node>(&case.text).verdict(), Verdict::Fail);
}

#[test]
fn every_family_has_an_effect() {
    for config in [tutorial(), NodeConfig::default()] {
        let ground = Mill::<Node>::new(config).cases(200).survey().unwrap();
        assert_eq!(ground.idle().collect::<Vec<_>>(), [], "{ground}");
        let seldom = ground.families.iter().find(|effect| effect.effective < 10);
        assert_eq!(seldom, None, "{ground}");
    }
}

#[test]
fn a_mill_in_which_a_fault_never_happened_has_not_passed() {
    let two = calm(Mistake::None).cases(2);
    let Err(Failure::Vacuous(ground)) = two.families([Family::Loss]).run() else { panic!("it passed") };
    assert_eq!(ground.verdict(), Verdict::Vacuous);
    assert!(ground.to_string().contains("nothing was tested of: loss"), "{ground}");
    let nothing = calm(Mistake::None).cases(0).run();
    assert!(matches!(nothing, Err(Failure::Vacuous(_))));
}

#[test]
fn what_makes_no_scenario_is_told() {
    let joins = calm(Mistake::None).families([Family::Join]).run();
    assert!(joins.unwrap_err().to_string().contains("cannot"));
    let backwards = Expectation::Peers(rumormill::scenario::Range { min: Some(2), max: Some(1) });
    assert!(matches!(calm(Mistake::None).expect([backwards]).run(), Err(Failure::Wrong(_))));
}

#[test]
fn a_failure_is_kept_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.json");
    let case = failed(calm(Mistake::Whispers).keep(&file));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), case.text);
    assert_eq!(case.kept, Some(Ok(file)));
    let nowhere = folder.path().join("no/such/folder");
    let case = failed(calm(Mistake::Whispers).keep(nowhere));
    assert!(case.tell("rumormill").contains("cannot write"));
}

#[test]
fn families_may_be_left_out() {
    let mill =
        calm(Mistake::None).families(Family::ALL).without([Family::Crash, Family::Silence, Family::Join]);
    let ground = mill.cases(20).survey().unwrap();
    let left_out = [Family::Crash, Family::Silence, Family::Restart, Family::LostLog, Family::Join];
    assert_eq!(ground.enabled(), left_out.into_iter().fold(Families::ALL, Families::without));
}

/// The scenarios of `tutorial-fails`.
fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-scenarios/tutorial-fails");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_scenario_of_tutorial_fails_does_for_the_reason_that_it_names() {
    assert!(shipped().len() >= 5);
    for path in shipped() {
        let name = path.display();
        let summary = run::<Node>(&std::fs::read_to_string(&path).unwrap());
        assert!(!summary.question.is_empty() && !summary.answer.is_empty(), "{name}");
        assert_eq!(summary.judgement.findings[0].verdict, Verdict::Fail, "{name}: {summary}");
        let others = summary.judgement.findings.iter().map(|finding| finding.verdict);
        assert!(!others.into_iter().any(|verdict| verdict == Verdict::Vacuous), "{name}: {summary}");
        assert!(summary.to_string().contains(&summary.answer), "{name}: {summary}");
    }
}

/// Quick enough for thousands of scripts in every test run.
#[test]
fn a_short_rest_is_enough_for_a_flood() {
    let ground = calm(Mistake::None).cases(500).settle(Duration::from_secs(60)).run().unwrap();
    assert_eq!(ground.cases(), 500);
}

/// What the judges of the overlay said first to scripts like these was wrong.
#[test]
fn what_the_mill_found_out_about_the_judges() {
    let judged = |links: &str, seed: u64, first: &str, moves: &str, expected: &str| {
        let text = format!(
            r#"{{"seed": {seed}, {first} "node": {{"overlay": "tutorial"}}, "links": {{"latency": {{"constant": "{links}"}}}},
                "timeline": [{moves}], "end": "121s", "expect": ["{expected}"]}}"#
        );
        run::<Node>(&text).judgement.findings[0].clone()
    };
    let join = |count| format!(r#"{{"at": "0s", "do": {{"join": {{"count": {count}, "every": "200ms"}}}}}}"#);
    let leave = |at, who| format!(r#", {{"at": "{at}", "do": {{"leave": {{"who": {who}}}}}}}"#);
    // Nothing happens at all.
    let still = judged("1ms", 1, r#""topology": {"complete": {"nodes": 2}},"#, "", "repair");
    // For a moment nobody is a member.
    let first = judged("94ms", 1_463_035_374, "", &(join(3) + &leave("691ms", 0)), "no_cut");
    // Those who leave hold the others together.
    let leaves: String = [2, 7, 1, 3].map(|who| leave("1600ms", who)).concat();
    let leaving = judged("41ms", 88_979_789, "", &(join(9) + &leaves), "no_cut");
    for finding in [still, first, leaving] {
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
    }
}
