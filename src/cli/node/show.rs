//! How messages, nodes and the network are shown: to people, or as lines of JSON.

use crate::id::{Contact, Identity};
use crate::live::visit::{Refusals, Status};
use crate::message::{Message, Timestamp};
use crate::protocol::{Census, State};
use crate::time::nanos;
use crate::units::{grouped, human_bytes, human_duration};
use serde_json::{Value, json};

/// So many nodes are listed to people.
const MOST_LISTED: usize = 50;

/// All 64 digits of an identity; `Display` has the first eight.
pub(in crate::cli) fn digits(identity: Identity) -> String {
    identity.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message as people read it: when, who, what. A text of several lines is indented, so that none of them looks like a
/// message of its own.
pub(super) fn message(message: &Message, who: &str) -> String {
    let head = format!("{} {who}  ", clock(message.time));
    let indent = format!("\n{}", " ".repeat(head.chars().count()));
    head + &message.message.replace('\n', &indent)
}

/// The time of the day, UTC.
pub(in crate::cli) fn clock(time: Timestamp) -> String {
    let seconds = time.micros() / 1_000_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// A node in one line.
pub(in crate::cli) fn node(contact: &Contact) -> String {
    let address = contact.address.map_or("address unknown".into(), |address| address.to_string());
    format!("{}  {address}", contact.identity)
}

pub(super) fn nodes(what: &str, contacts: &[Contact]) -> String {
    let mut lines = vec![several(contacts.len() as u64, what)];
    lines.extend(contacts.iter().take(MOST_LISTED).map(|contact| format!("  {}", node(contact))));
    if contacts.len() > MOST_LISTED {
        lines.push(format!("  … and {} more", grouped((contacts.len() - MOST_LISTED) as u64)));
    }
    lines.join("\n")
}

/// A number of things.
fn several(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

pub(super) fn nodes_as_json(what: &str, contacts: &[Contact]) -> Value {
    json!({ what.replace(' ', "_") + "s": contacts_as_json(contacts) })
}

pub(in crate::cli) fn contacts_as_json(contacts: &[Contact]) -> Value {
    let one = |contact: &Contact| json!({ "identity": digits(contact.identity), "address": contact.address });
    contacts.iter().map(one).collect()
}

/// A node's status, one thing a line.
pub(in crate::cli) fn status(status: &Status) -> Vec<String> {
    let counters = &status.counters;
    let bytes = |bytes: u64| human_bytes(bytes as f64);
    vec![
        format!("identity     {}", digits(status.identity)),
        format!("address      {}", status.address),
        format!("state        {}", state(status.state)),
        format!("up for       {}", human_duration(status.uptime)),
        format!(
            "nodes        {}, {} known",
            several(status.neighbors.len() as u64, "neighbor"),
            grouped(status.known)
        ),
        format!(
            "broadcasts   {} delivered, {} copies received in vain",
            grouped(status.delivered),
            grouped(status.duplicates)
        ),
        format!(
            "traffic      sent {} messages ({}), received {} ({})",
            grouped(counters.messages_sent),
            bytes(counters.bytes_sent),
            grouped(counters.messages_received),
            bytes(counters.bytes_received)
        ),
        format!("refused      {}", refusals(&status.refused)),
    ]
}

/// Who, and what, was refused; only what there was.
fn refusals(refused: &Refusals) -> String {
    let Refusals { handshakes, crowded, broken, slow, no_room } = *refused;
    let kinds = [
        (handshakes, "handshakes that came to nothing"),
        (crowded, "connections for which there was no place"),
        (broken, "peers that broke the protocol"),
        (slow, "peers that read too slowly"),
        (no_room, "messages for which there was no room"),
    ];
    let there = kinds.iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = there.map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
    if texts.is_empty() { "nothing".into() } else { texts.join(", ") }
}

fn state(state: State) -> &'static str {
    match state {
        State::Joining => "joining: on its way into the network",
        State::Member => "member: a part of the network",
        State::Leaving => "leaving",
        State::Stopped => "stopped",
        State::Crashed => "crashed",
    }
}

/// The same; of the neighbors the number.
pub(in crate::cli) fn status_as_json(status: &Status) -> Value {
    json!({
        "identity": digits(status.identity),
        "address": status.address,
        "state": status.state,
        "uptime_ns": nanos(status.uptime),
        "neighbors": status.neighbors.len(),
        "known": status.known,
        "delivered": status.delivered,
        "duplicates": status.duplicates,
        "messages_sent": status.counters.messages_sent,
        "bytes_sent": status.counters.bytes_sent,
        "messages_received": status.counters.messages_received,
        "bytes_received": status.counters.bytes_received,
        "refused": status.refused,
    })
}

/// The same with the neighbors' contacts: what a visitor is shown.
pub(in crate::cli) fn status_with_neighbors(status: &Status) -> Value {
    let mut json = status_as_json(status);
    json["neighbors"] = contacts_as_json(&status.neighbors);
    json
}

pub(in crate::cli) fn census(census: &Census) -> String {
    let Census { nodes, link_ends, least_neighbors, most_neighbors } = *census;
    format!(
        "the network has {} and {}; {least_neighbors} to {most_neighbors} neighbors a node",
        several(nodes, "node"),
        several(link_ends / 2, "link")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageId;

    #[test]
    fn a_text_of_several_lines_cannot_pass_for_several_messages() {
        let time = Timestamp::from_micros(1_617_555_967_119_939);
        let text = "one\n17:06:07 1a2b3c4d  two".to_owned();
        let shown = message(
            &Message { id: MessageId([0; 32]), title: String::new(), message: text, time },
            "1a2b3c4d",
        );
        assert_eq!(shown, "17:06:07 1a2b3c4d  one\n                   17:06:07 1a2b3c4d  two");
    }
}
