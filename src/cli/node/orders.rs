//! What a typed line asks for.

/// What a person can ask a running node for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Broadcast(String),
    Send { to: String, text: String },
    Peers,
    Known,
    Status,
    Network,
    Leave,
    Quit,
    Help,
}

pub(super) const HELP: &str = "\
text               broadcast it to everybody (//text for one that begins with /)
/send NODE TEXT    send it to one node: the first digits of its identity, or its address
/peers             the neighbors of this node
/known             all nodes that it has heard of
/status            how it is
/network           count the whole network
/leave             leave the network in good order, and end (as Ctrl-C)
/quit              end at once; the others notice
/help              this
Times are UTC.";

const NAMES: [&str; 8] = ["send", "peers", "known", "status", "network", "leave", "quit", "help"];

/// Words that others use for the same.
const SYNONYMS: [(&str, &str); 6] = [
    ("exit", "quit"),
    ("msg", "send"),
    ("neighbors", "peers"),
    ("census", "network"),
    ("nodes", "known"),
    ("?", "help"),
];

impl Order {
    /// Reads a line; nothing is asked for by an empty one.
    pub(super) fn parse(line: &str) -> Result<Option<Order>, String> {
        let Some(command) = line.trim_start().strip_prefix('/') else {
            return Ok((!line.trim().is_empty()).then(|| Order::Broadcast(line.into())));
        };
        if command.starts_with('/') {
            return Ok(Some(Order::Broadcast(command.into())));
        }
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let order = match name {
            "send" => {
                return match rest.split_once(char::is_whitespace) {
                    Some((to, text)) => Ok(Some(Order::Send { to: to.into(), text: text.trim().into() })),
                    None => Err("write /send NODE TEXT, as in /send 1a2b3c4d hello".into()),
                };
            }
            "peers" => Order::Peers,
            "known" => Order::Known,
            "status" => Order::Status,
            "network" => Order::Network,
            "leave" => Order::Leave,
            "quit" => Order::Quit,
            "help" => Order::Help,
            _ => return Err(unknown(name)),
        };
        match rest {
            "" => Ok(Some(order)),
            _ => Err(format!("/{name} stands alone; nothing was done")),
        }
    }
}

fn unknown(name: &str) -> String {
    let synonym = SYNONYMS.iter().find(|(word, _)| *word == name).map(|(_, meant)| *meant);
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    let near = NAMES.into_iter().min_by_key(distance).filter(|known| distance(known) <= 2);
    match synonym.or(near) {
        Some(meant) => format!("there is no /{name}; did you mean /{meant}? (//{name} broadcasts it)"),
        None => format!("there is no /{name}; /help tells what there is, and //{name} broadcasts it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_texts_unless_they_are_commands() {
        let text = |text: &str| Ok(Some(Order::Broadcast(text.into())));
        for (line, expected) in [
            ("hello world", text("hello world")),
            ("//quit", text("/quit")),
            ("", Ok(None)),
            ("  ", Ok(None)),
            ("/peers", Ok(Some(Order::Peers))),
            (" /status ", Ok(Some(Order::Status))),
            ("/send ab12  hi there ", Ok(Some(Order::Send { to: "ab12".into(), text: "hi there".into() }))),
        ] {
            assert_eq!(Order::parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn what_is_no_command_is_told_with_what_was_meant() {
        for (line, hint) in [
            ("/stauts", "/status?"),
            ("/exit", "/quit?"),
            ("/peer", "/peers?"),
            ("/frobnicate", "/help"),
            ("/send ab12", "/send NODE TEXT"),
            ("/quit now", "stands alone"),
        ] {
            let answer = Order::parse(line).unwrap_err();
            assert!(answer.contains(hint), "{line}: {answer}");
        }
    }
}
