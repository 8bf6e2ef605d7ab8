//! The picture of a network. See [`TopologyPicture`].

use super::DrawError;
use super::canvas::{self, Align, PAGE, Pen};
use super::labels::{self, Area, Placed, Wish};
use super::layout::{Layout, Point};
use super::legend::{self, Legend};
use super::palette;
use super::rows::Mark;
use super::scene::{Scene, Sizes};
use super::text::{Letters, Weight, counted, cut, printable, thousands, wrapped};
use crate::graph::Graph;
use crate::id::NodeId;
use plotters_backend::{BackendColor, DrawingBackend};
use std::cmp::Reverse;

/// A network as nodes and links. A node is the larger the more links it has, and its color tells at which hop a
/// broadcast reached it.
///
/// What a page cannot hold is left out, and the picture says so: names that would cover something, links that
/// would hide the nodes, and in networks that are too large for [`Layout`] the nodes themselves; two bar charts
/// then show how many were reached at each hop, and how many have how many links. Where nodes are too small to
/// hold their names, only the origin's and those of nodes with unusually many links are shown.
#[derive(Clone, Copy, Debug)]
pub struct TopologyPicture<'a> {
    /// In bold at the top. What does not fit into two lines is cut off.
    pub title: &'a str,
    /// Below the title; cut off likewise.
    pub subtitle: &'a str,
    /// Who is linked to whom.
    pub graph: &'a Graph,
    /// At which hop a broadcast reached each node, 0 where it began, `None` where it never arrived. Missing
    /// entries count as `None`, surplus ones are ignored. Empty if there is no broadcast to show.
    pub hops: &'a [Option<u32>],
    /// Names of the first nodes; the others are called by their numbers.
    pub names: &'a [String],
}

/// The margin round the page.
const MARGIN: f64 = 40.0;
/// How wide the column of the legend is, at the right …
const LEGEND: f64 = 200.0;
/// … and how far it is from the network.
const GUTTER: f64 = 24.0;
const TITLE: Letters = Letters { size: 25.0, weight: Weight::Bold, color: palette::INK };
const SUBTITLE: Letters = Letters { size: 15.5, weight: Weight::Regular, color: palette::PENCIL };
/// The least radius of a node where a broadcast began.
const LEAST_ORIGIN: f64 = 4.5;
/// Up to so many nodes, each is labelled …
const ALL_LABELLED_UP_TO: usize = 30;
/// … and more if nodes of this radius, which hold their numbers, have room.
const HOLDS_A_NUMBER: f64 = 11.0;
/// Otherwise, at most so many are.
const MOST_LABELS: usize = 12;
/// Links are drawn as long as they cover the page at most so many times: beyond, they are fog.
const MOST_COVERAGE: f64 = 1.6;

impl TopologyPicture<'_> {
    /// The picture as a PNG file of 2000 × 1600 pixels.
    ///
    /// # Errors
    /// [`DrawError::Layout`] if the layout is of another graph.
    pub fn png(&self, layout: &Layout) -> Result<Vec<u8>, DrawError> {
        self.check(layout)?;
        canvas::png(|pen| self.draw(pen, layout))
    }

    /// The picture as an SVG document.
    ///
    /// # Errors
    /// [`DrawError::Layout`] if the layout is of another graph.
    pub fn svg(&self, layout: &Layout) -> Result<String, DrawError> {
        self.check(layout)?;
        canvas::svg(|pen| self.draw(pen, layout))
    }

    fn check(&self, layout: &Layout) -> Result<(), DrawError> {
        let (placed, nodes) = (layout.positions().len(), self.graph.nodes());
        if placed == nodes || !Layout::is_feasible(self.graph) {
            Ok(())
        } else {
            Err(DrawError::Layout { placed, nodes })
        }
    }

    fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>, layout: &Layout) {
        let top = self.draw_header(pen) + 24.0;
        let (right, bottom) = (f64::from(PAGE.0) - MARGIN, f64::from(PAGE.1) - MARGIN);
        let page = Area { left: MARGIN, top, right, bottom };
        let hops = self.hops_of_nodes();
        let hop_rows = if self.hops.is_empty() { Vec::new() } else { legend::hop_rows(&hops) };
        if Layout::is_feasible(self.graph) {
            let column = Area { left: page.right - LEGEND, ..page };
            let area = Area { right: column.left - GUTTER, ..page };
            let (sizes, notes) = self.draw_network(pen, layout, &self.marks(&hops), &area);
            Legend { hops: hop_rows, sizes, notes }.draw(pen, &column);
        } else {
            let notes = [self.counts(), "Too large to be drawn node by node.".to_string()];
            legend::draw_charts(pen, &page, &hop_rows, self.graph, &notes);
        }
    }

    /// Draws links, nodes, labels; returns how large nodes are, and what is to be said of it.
    fn draw_network<DB: DrawingBackend>(
        &self,
        pen: &mut Pen<DB>,
        layout: &Layout,
        marks: &[Mark],
        area: &Area,
    ) -> (Sizes, Vec<String>) {
        let mut scene = Scene::new(self.graph, layout, area);
        for (disc, _) in scene.discs.iter_mut().zip(marks).filter(|(_, mark)| is_origin(**mark)) {
            // Where a broadcast began is seen among thousands.
            disc.radius = disc.radius.max(LEAST_ORIGIN);
        }
        let mut notes = vec![self.counts()];
        notes.extend(draw_links(pen, &scene));
        self.draw_nodes(pen, &scene, marks);
        notes.extend(self.draw_labels(pen, &scene, marks, area));
        (scene.sizes, notes)
    }

    fn counts(&self) -> String {
        format!("{}, {}.", counted(self.graph.nodes(), "node"), counted(self.graph.edge_count(), "link"))
    }

    /// Title and subtitle; returns where they end.
    fn draw_header<DB: DrawingBackend>(&self, pen: &mut Pen<DB>) -> f64 {
        let room = f64::from(PAGE.0) - 2.0 * MARGIN;
        let mut y = MARGIN - 8.0;
        for (text, letters, leading) in [(self.title, TITLE, 1.2), (self.subtitle, SUBTITLE, 1.45)] {
            for line in wrapped(text, &letters, room, 2) {
                y += leading * letters.size;
                pen.text(&line, Point { x: MARGIN, y }, Align::Left, &letters);
            }
        }
        y
    }

    /// One entry for each node, however many were given.
    fn hops_of_nodes(&self) -> Vec<Option<u32>> {
        (0..self.graph.nodes()).map(|node| self.hops.get(node).copied().flatten()).collect()
    }

    fn marks(&self, hops: &[Option<u32>]) -> Vec<Mark> {
        let last = hops.iter().flatten().max().copied().unwrap_or(0);
        let mark = |hop: &Option<u32>| match *hop {
            _ if self.hops.is_empty() => Mark::Full(palette::PLAIN),
            Some(0) => Mark::Target(palette::ORIGIN),
            Some(hop) => Mark::Full(palette::by_hop(hop, last)),
            None => Mark::Hollow(palette::UNREACHED),
        };
        hops.iter().map(mark).collect()
    }

    fn draw_nodes<DB: DrawingBackend>(&self, pen: &mut Pen<DB>, scene: &Scene, marks: &[Mark]) {
        // Hubs on top of others, and the origin on top of all.
        let mut order: Vec<NodeId> = self.graph.node_ids().collect();
        order.sort_by_key(|&node| (is_origin(marks[node.index()]), self.graph.degree(node)));
        for node in order {
            let disc = scene.discs[node.index()];
            marks[node.index()].draw(pen, disc.center, disc.radius);
        }
    }

    /// Draws the labels that have room; says how many have none, where all were wanted.
    fn draw_labels<DB: DrawingBackend>(
        &self,
        pen: &mut Pen<DB>,
        scene: &Scene,
        marks: &[Mark],
        area: &Area,
    ) -> Option<String> {
        let radius = scene.sizes.smallest;
        let all = self.graph.nodes() <= ALL_LABELLED_UP_TO || radius >= HOLDS_A_NUMBER;
        let size = if all { (0.8 * radius).clamp(12.0, 20.0) } else { 12.5 };
        let letters = Letters { size, weight: Weight::Bold, color: palette::INK };
        let nodes = self.nodes_to_label(marks, all);
        let names: Vec<String> = nodes.iter().map(|&node| cut(&self.name(node), &letters, 140.0)).collect();
        let wish = |(node, name): (&NodeId, &String)| Wish {
            node: node.index(),
            width: letters.width(name),
            height: 1.15 * size,
        };
        let wishes: Vec<Wish> = nodes.iter().zip(&names).map(wish).collect();
        let placed = labels::place(&wishes, &scene.discs, &scene.links, area);
        for label in &placed {
            let mark = marks[nodes[label.wish].index()];
            draw_label(pen, label, &names[label.wish], mark, &letters);
        }
        let missing = wishes.len() - placed.len();
        (all && missing > 0).then(|| format!("{} left out for want of room.", counted(missing, "name")))
    }

    /// Whose labels are wanted, the most important first: all, or the origin and those that stand out.
    fn nodes_to_label(&self, marks: &[Mark], all: bool) -> Vec<NodeId> {
        let degree = |node: NodeId| self.graph.degree(node);
        let mut nodes: Vec<NodeId> = self.graph.node_ids().collect();
        nodes.sort_by_key(|&node| (!is_origin(marks[node.index()]), Reverse(degree(node))));
        if !all {
            let mean = 2 * self.graph.edge_count() / nodes.len();
            nodes.retain(|&node| is_origin(marks[node.index()]) || degree(node) > 2 * mean);
            nodes.truncate(MOST_LABELS);
        }
        nodes
    }

    fn name(&self, node: NodeId) -> String {
        self.names.get(node.index()).map_or_else(|| node.0.to_string(), |name| printable(name))
    }
}

fn is_origin(mark: Mark) -> bool {
    matches!(mark, Mark::Target(_))
}

fn draw_label<DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    label: &Placed,
    name: &str,
    mark: Mark,
    letters: &Letters,
) {
    let color = if label.inside { mark.text_color() } else { letters.color };
    if !label.inside {
        let corner = Point { x: label.area.left, y: label.area.top };
        let opposite = Point { x: label.area.right, y: label.area.bottom };
        // Links shine through, but faintly.
        pen.rectangle(corner, opposite, BackendColor { alpha: 0.75, ..palette::PAPER });
    }
    let center = label.area.center();
    let foot = Point { x: center.x, y: center.y + 0.36 * letters.size };
    pen.text(name, foot, Align::Center, &Letters { color, ..*letters });
}

/// Draws the links, or says why not.
fn draw_links<DB: DrawingBackend>(pen: &mut Pen<DB>, scene: &Scene) -> Option<String> {
    let coverage = scene.link_coverage();
    if coverage > MOST_COVERAGE {
        let times = thousands(coverage.round() as usize);
        return Some(format!("Links are not drawn: they would cover the page {times} times over."));
    }
    let (width, alpha) = scene.link_style();
    for (from, to) in &scene.links {
        pen.line(*from, *to, width, BackendColor { alpha, ..palette::THREAD });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture<'a>(graph: &'a Graph, hops: &'a [Option<u32>], names: &'a [String]) -> TopologyPicture<'a> {
        TopologyPicture { title: "A title", subtitle: "and more", graph, hops, names }
    }

    fn ring(nodes: u32) -> Graph {
        let edges: Vec<(u32, u32)> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
        Graph::from_edges(nodes as usize, &edges)
    }

    /// The texts of an SVG document, each as it is written; fails if a tag or a quote is left open.
    fn texts(svg: &str) -> Vec<&str> {
        let mut open = Vec::new();
        let mut texts = Vec::new();
        for piece in svg.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("every tag ends");
            assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split(' ').next().unwrap_or(tag)),
            }
            texts.push(text.trim());
        }
        assert!(open.is_empty(), "{open:?}");
        texts
    }

    #[test]
    fn the_same_picture_twice_is_the_same_file() {
        let graph = ring(12);
        let hops: Vec<Option<u32>> = (0..12).map(|node: u32| Some(node.min(12 - node))).collect();
        let layout = Layout::force_directed(&graph, 1);
        let picture = picture(&graph, &hops, &[]);
        let png = picture.png(&layout).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() < 100_000);
        assert_eq!(png, picture.png(&layout).unwrap());
        assert_eq!(picture.svg(&layout).unwrap(), picture.svg(&layout).unwrap());
    }

    #[test]
    fn what_markup_would_misread_is_escaped() {
        let graph = ring(3);
        let names = ["<b>".to_string(), "a&b".to_string(), "\u{1b}[1m\0".to_string()];
        let picture = TopologyPicture { title: "</svg> \"&\" 'x' 🦀\r\n", ..picture(&graph, &[], &names) };
        let svg = picture.svg(&Layout::force_directed(&graph, 1)).unwrap();
        let texts = texts(&svg);
        assert!(texts.contains(&"&lt;/svg&gt; &quot;&amp;&quot; &apos;x&apos; 🦀"), "{texts:?}");
        assert!(texts.contains(&"&lt;b&gt;") && texts.contains(&"a&amp;b"));
        assert!(!svg.chars().any(|letter| letter.is_control() && letter != '\n'));
    }

    #[test]
    fn few_nodes_are_all_labelled() {
        let graph = ring(30);
        let svg =
            picture(&graph, &[], &["first".to_string()]).svg(&Layout::force_directed(&graph, 1)).unwrap();
        let texts = texts(&svg);
        assert!(
            texts.contains(&"first") && (1..30).all(|node: u32| texts.contains(&node.to_string().as_str()))
        );
    }

    #[test]
    fn links_that_would_cover_the_page_are_left_out_and_mentioned() {
        let pairs = |nodes: u32| (0..nodes).flat_map(|a| (0..a).map(move |b| (a, b)));
        let graph = Graph::from_edges(200, &pairs(200).collect::<Vec<_>>());
        let svg = picture(&graph, &[], &[]).svg(&Layout::force_directed(&graph, 1)).unwrap();
        assert!(!svg.contains("<line") && svg.contains("Links are not drawn"));
        assert!(svg.contains("200 nodes, 19,900 links."));
    }

    #[test]
    fn names_without_room_are_mentioned() {
        let pairs = |nodes: u32| (0..nodes).flat_map(|a| (0..a).map(move |b| (a, b)));
        let graph = Graph::from_edges(30, &pairs(30).collect::<Vec<_>>());
        let names = vec!["a name as long as the street".to_string(); 30];
        let svg = picture(&graph, &[], &names).svg(&Layout::force_directed(&graph, 1)).unwrap();
        assert!(svg.contains("left out for want"));
    }

    #[test]
    fn networks_that_are_too_large_become_charts() {
        let graph = ring(Layout::MOST_NODES as u32 + 1);
        let hops = vec![Some(1); 7];
        let svg = picture(&graph, &hops, &[]).svg(&Layout::force_directed(&graph, 1)).unwrap();
        let texts = texts(&svg);
        assert!(
            texts.contains(&"10,001") && texts.contains(&"9,994") && texts.contains(&"never"),
            "{texts:?}"
        );
    }

    #[test]
    fn the_layout_of_another_graph_is_refused() {
        let layout = Layout::force_directed(&ring(4), 1);
        let refused = picture(&ring(5), &[], &[]).svg(&layout).unwrap_err();
        assert_eq!(refused.to_string(), "the layout places 4 nodes, but the network has 5");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn no_input_is_refused(
            nodes in 0usize..50,
            edges in prop::collection::vec((0u32..50, 0u32..50), 0..120),
            hops in prop::collection::vec(any::<Option<u32>>(), 0..60),
            names in prop::collection::vec(any::<String>(), 0..60),
            title in any::<String>(),
        ) {
            let edges: Vec<_> =
                edges.into_iter().filter(|&(a, b)| (a.max(b) as usize) < nodes).collect();
            let graph = Graph::from_edges(nodes, &edges);
            let layout = Layout::force_directed(&graph, 1);
            let picture = TopologyPicture { title: &title, ..picture(&graph, &hops, &names) };
            texts(&picture.svg(&layout).unwrap());
        }
    }
}
