//! Graphs that somebody measured, from a list of edges.

use super::{MAX_LINKS, MAX_NODES, grouped};
use crate::graph::Graph;
use crate::sim::data::{DataError, Place, quoted, utf8};

/// Reads a graph, one edge a line: `FROM TO`, node numbers from 0 separated by spaces or tabs (the format of the
/// Stanford collection, SNAP). The largest number says how many nodes there are.
///
/// An edge is read as undirected, whichever way it is written; loops and repeated edges are left out. Columns
/// after the second (weights, times) are ignored, and so are blank lines and lines that start with `#`.
///
/// # Errors
/// If a line has no two node numbers below [`MAX_NODES`], if there are more lines than [`MAX_LINKS`] or none, or
/// if the file is not UTF-8.
pub fn parse_edge_list(text: &[u8]) -> Result<Graph, DataError> {
    let mut edges = Vec::new();
    let mut nodes = 0;
    for (number, line) in (1..).zip(utf8(text)?.lines()) {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        let edge = (node(first, number)?, node(words.next().unwrap_or(""), number)?);
        if edges.len() as u64 == MAX_LINKS {
            let expected = format!("at most {} edges", grouped(MAX_LINKS));
            return Err(DataError::new(Place::Line(number), "one more edge", expected));
        }
        nodes = nodes.max(edge.0.max(edge.1) as usize + 1);
        edges.push(edge);
    }
    if edges.is_empty() {
        return Err(DataError::new(Place::File, "no edge", "lines `FROM TO` of two node numbers"));
    }
    Ok(Graph::from_edges(nodes, &edges))
}

fn node(word: &str, line: usize) -> Result<u32, DataError> {
    word.parse().ok().filter(|&id| u64::from(id) < MAX_NODES).ok_or_else(|| {
        let found = if word.is_empty() { "the end of the line".into() } else { quoted(word) };
        DataError::new(Place::Line(line), found, format!("a node number below {}", grouped(MAX_NODES)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Diameter;
    use crate::sim::data::measured;

    #[test]
    fn edges_are_read_whatever_surrounds_them() {
        let text = "\u{feff}# from to\r\n0\t3\r\n\r\n  3 0\n# 7 8\n2 2\n 1   3 0.25 1999-01-01\n3 1";
        let graph = parse_edge_list(text.as_bytes()).unwrap();
        assert_eq!(graph, Graph::from_edges(4, &[(0, 3), (1, 3)]));
    }

    #[test]
    fn nodes_without_a_link_to_others_are_still_nodes() {
        assert_eq!(parse_edge_list(b"5 5").unwrap(), Graph::from_edges(6, &[]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let node = "expected a node number below 10,000,000";
        let none = "found no edge, expected lines `FROM TO` of two node numbers";
        for (text, error) in [
            ("", none.into()),
            ("# nothing\n\n", none.into()),
            ("0 1\n\nx 2", format!("line 3: found `x`, {node}")),
            ("# id\n0,1", format!("line 2: found `0,1`, {node}")),
            ("0 -1", format!("line 1: found `-1`, {node}")),
            ("0 1\n1\n", format!("line 2: found the end of the line, {node}")),
            ("0 10000000", format!("line 1: found `10000000`, {node}")),
            ("99999999999999999999 0", format!("line 1: found `99999999999999999999`, {node}")),
        ] {
            assert_eq!(parse_edge_list(text.as_bytes()).unwrap_err().to_string(), error, "{text}");
        }
        let error = parse_edge_list(b"0 1\n1 \xff2\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: found the byte 0xff, expected text in UTF-8");
    }

    /// The figures that SNAP and others give for this graph.
    #[test]
    fn gnutella_is_what_it_is_known_to_be() {
        let Some(bytes) = measured("gnutella08.edges") else { return };
        let graph = parse_edge_list(&bytes).unwrap();
        assert_eq!((graph.nodes(), graph.edge_count()), (6_301, 20_777));
        assert_eq!(graph.components().largest(), 6_299);
        assert_eq!(graph.diameter(), Diameter { lower: 9, upper: 9 });
        assert_eq!(graph.degrees().max, 97);
    }
}
