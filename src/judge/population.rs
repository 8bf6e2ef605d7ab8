//! What is expected of the population: its size and shape, inboxes, and its end.

use super::{Aftermath, Course, Evidence, Verdict, held};
use crate::scenario::{Closing, Range, ReceivedExpectation};
use crate::units::{counted, grouped};

/// How many nodes are up, were to join, and did not become a part of the network, or have no link to it.
pub(super) fn outsiders(evidence: &Evidence<'_>) -> usize {
    let Closing { present, graph, .. } = evidence.closing;
    let up = || graph.node_ids().filter(|node| present[node.index()]);
    let outside = |node: &_| {
        let metrics = evidence.metrics;
        metrics.had_to_join(*node) && (graph.degree(*node) == 0 || !metrics.is_member(*node))
    };
    if up().count() < 2 { 0 } else { up().filter(outside).count() }
}

pub(super) fn connected(closing: &Closing) -> (Verdict, String) {
    let components = closing.present_graph().components();
    match components.count() {
        0 => (Verdict::Vacuous, "there are no nodes".into()),
        1 => (Verdict::Pass, "one component".into()),
        count => {
            let largest = counted(components.largest());
            (Verdict::Fail, format!("{} components; the largest has {largest} nodes", counted(count)))
        }
    }
}

pub(super) fn peers(range: &Range<u64>, closing: &Closing) -> (Verdict, String) {
    let Closing { present, graph, .. } = closing;
    let degrees = || {
        let up = graph.node_ids().filter(|node| present[node.index()]);
        up.map(|node| (node, graph.degree(node) as u64))
    };
    if let Some((node, degree)) = degrees().find(|&(_, degree)| !range.contains(degree)) {
        return (Verdict::Fail, format!("node {} has {degree}", node.0));
    }
    match (degrees().map(|(_, degree)| degree).min(), degrees().map(|(_, degree)| degree).max()) {
        (Some(least), Some(most)) => (Verdict::Pass, format!("{} to {}", grouped(least), grouped(most))),
        _ => (Verdict::Vacuous, "there are no nodes".into()),
    }
}

pub(super) fn size(range: &Range<u64>, evidence: Evidence<'_>) -> (Verdict, String) {
    let up = evidence.closing.present.iter().filter(|&&present| present).count() as u64;
    let (ended, asked) = (evidence.metrics.censuses().len() as u64, evidence.course.censuses);
    if ended < asked {
        let verdict = if evidence.is_unfinished() { Verdict::Unknown } else { Verdict::Fail };
        return (verdict, format!("only {} of {} censuses came to an end", grouped(ended), grouped(asked)));
    }
    let Some(&(time, census)) = evidence.metrics.censuses().last() else {
        return (held(range.contains(up)), format!("{} nodes are up", grouped(up)));
    };
    let both = range.contains(up) && range.contains(census.nodes);
    let text = format!("{} nodes are up; a census counted {} at {time}", grouped(up), grouped(census.nodes));
    (held(both), text)
}

pub(super) fn received(expected: &ReceivedExpectation, evidence: Evidence<'_>) -> (Verdict, String) {
    let ReceivedExpectation { node, from, message, count } = expected;
    let Some(node) = (evidence.find)(node) else { return (Verdict::Vacuous, "there is no such node".into()) };
    let from = from.as_ref().and_then(|from| (evidence.find)(from));
    let was_there = node.index() < evidence.closing.present.len();
    let inbox = if was_there { (evidence.view)(node).inbox } else { Vec::new() };
    let fitting = inbox.iter().filter(|(sender, received)| {
        from.is_none_or(|from| *sender == from)
            && message.as_ref().is_none_or(|text| *text == received.message)
    });
    let found = fitting.count() as u64;
    let verdict =
        if found <= *count && evidence.is_unfinished() { Verdict::Unknown } else { held(found == *count) };
    (verdict, format!("{} of {} messages in its inbox", grouped(found), counted(inbox.len())))
}

pub(super) fn stopped(course: &Course) -> (Verdict, String) {
    match course.shutdown {
        None => (Verdict::Vacuous, "the network was not shut down".into()),
        Some(Aftermath { up, sent }) => {
            let text =
                format!("{} nodes were up afterwards, and {} messages were sent", counted(up), grouped(sent));
            (held(up == 0 && sent == 0), text)
        }
    }
}
