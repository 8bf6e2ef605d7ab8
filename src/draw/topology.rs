//! The picture of a network. See [`TopologyPicture`].

use super::DrawError;
use super::arrows::{self, Arrow, Obstacles, Route, draw_badge};
use super::canvas::{self, Align, Pen, WIDTH};
use super::header::{Header, MARGIN};
use super::labels::{self, Area, Placed, Wish};
use super::layout::{Layout, Point};
use super::legend::{self, Legend, Step};
use super::palette;
use super::rows::{Mark, Row};
use super::scene::{Frame, Scene};
use super::text::{Letters, Weight, counted, cut, printable, thousands};
use super::visible::Visible;
use crate::graph::Graph;
use crate::id::NodeId;
use plotters::prelude::SVGBackend;
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
    /// Which nodes are there at this moment; the others are not drawn, nor are missing ones. Empty if all are.
    pub present: &'a [bool],
    /// The network at an earlier moment: links that it did not have are shown as new.
    pub since: Option<&'a Graph>,
    /// What went from whom to whom, in order: arrows with numbers over the network, explained in a list beside
    /// it. Nodes then have all the same size. Beyond twelve nodes or twelve arrows there are no numbers, and the
    /// list is cut.
    pub arrows: &'a [Arrow],
}

/// How wide the column of the legend is, at the right …
const LEGEND: f64 = 200.0;
/// … when it lists what arrows say …
const LIST: f64 = 310.0;
/// … and how far it is from the network.
const GUTTER: f64 = 24.0;
/// How high the network may be …
const TALLEST: f64 = 640.0;
/// … and when there are so few nodes that they would be lost in it.
const TALLEST_OF_FEW: f64 = 430.0;
/// … unless arrows need room between them.
const TALLEST_WITH_ARROWS: f64 = 540.0;
const FEW: usize = 12;
/// So many arrows can be told apart.
const MOST_ARROWS: usize = 12;
/// What arrows that go round a node need beyond it.
const ROUND: f64 = 18.0;
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
/// New links are opaque, and become fog sooner.
const MOST_NEW_COVERAGE: f64 = 0.3;

/// A picture with everything in its place, before a pen touches the page.
struct Sheet<'a> {
    header: Header<'a>,
    body: Body,
    height: f64,
}

enum Body {
    /// Nodes and links.
    Network(Box<Network>),
    /// Counts of nodes that cannot be shown one by one.
    Charts { hops: Vec<Row>, degrees: Vec<usize>, notes: Vec<String> },
}

struct Network {
    scene: Scene,
    /// How each node is drawn, the uppermost last.
    nodes: Vec<(NodeId, Mark)>,
    labels: Vec<Label>,
    routes: Vec<Option<Route>>,
    column: Area,
    legend: Legend,
}

struct Label {
    text: String,
    letters: Letters,
    inside: bool,
    area: Area,
}

impl<'a> TopologyPicture<'a> {
    /// The bare picture of a network, without texts, broadcast or arrows.
    pub fn of(graph: &'a Graph) -> TopologyPicture<'a> {
        TopologyPicture {
            title: "",
            subtitle: "",
            graph,
            hops: &[],
            names: &[],
            present: &[],
            since: None,
            arrows: &[],
        }
    }

    /// The picture as a PNG file, 2000 pixels wide and as high as it needs to be.
    ///
    /// # Errors
    /// [`DrawError::Layout`] if the layout places fewer nodes than the network has.
    pub fn png(&self, layout: &Layout) -> Result<Vec<u8>, DrawError> {
        let sheet = self.sheet(layout)?;
        canvas::png(sheet.height as u32, |pen| sheet.draw(pen))
    }

    /// The picture as an SVG document.
    ///
    /// # Errors
    /// [`DrawError::Layout`] if the layout places fewer nodes than the network has.
    pub fn svg(&self, layout: &Layout) -> Result<String, DrawError> {
        let sheet = self.sheet(layout)?;
        canvas::svg(sheet.height as u32, |pen| sheet.draw(pen))
    }

    fn sheet(&self, layout: &Layout) -> Result<Sheet<'a>, DrawError> {
        let header = Header { title: self.title, subtitle: self.subtitle };
        let (placed, nodes) = (layout.positions().len(), self.graph.nodes());
        let visible = Visible::new(self.graph, self.present, self.since);
        if layout.is_too_large() || !Layout::is_feasible(self.graph) {
            Ok(self.charts(header, &visible))
        } else if placed < nodes {
            Err(DrawError::Layout { placed, nodes })
        } else {
            Ok(self.network(header, &visible, layout))
        }
    }

    fn charts(&self, header: Header<'a>, visible: &Visible) -> Sheet<'a> {
        let notes = vec![counts(visible), "Too large to be drawn node by node.".to_string()];
        let body = Body::Charts { hops: self.hop_rows(visible), degrees: visible.degrees(), notes };
        Sheet { header, body, height: header.bottom() + TALLEST + MARGIN }
    }

    fn network(&self, header: Header<'a>, visible: &Visible, layout: &Layout) -> Sheet<'a> {
        let (column, round) = if self.arrows.is_empty() { (LEGEND, 0.0) } else { (LIST, ROUND) };
        let tallest = match layout.positions().len() {
            ..=FEW if self.arrows.is_empty() => TALLEST_OF_FEW,
            ..=FEW => TALLEST_WITH_ARROWS,
            _ => TALLEST,
        };
        let (top, right) = (header.bottom(), f64::from(WIDTH) - MARGIN);
        let room = Point { x: right - column - GUTTER - MARGIN, y: tallest };
        let frame = Frame::new(layout, room, round);
        let area = Area { left: MARGIN, top, right: MARGIN + room.x, bottom: top + frame.height() };
        let column = Area { left: right - column, right, ..area };
        let network = self.placed(visible, Scene::new(visible, layout, &frame, &area), &area, column);
        let bottom = network.legend.draw::<SVGBackend>(None, &column).max(area.bottom);
        Sheet { header, body: Body::Network(Box::new(network)), height: (bottom + MARGIN).ceil() }
    }

    /// Finds places for labels and arrows, and words for the legend.
    fn placed(&self, visible: &Visible, mut scene: Scene, area: &Area, column: Area) -> Network {
        let marks = self.marks(visible);
        for &node in visible.nodes.iter().filter(|node| is_origin(marks[node.index()])) {
            // Where a broadcast began is seen among thousands.
            let radius = &mut scene.discs[node.index()].radius;
            *radius = radius.max(LEAST_ORIGIN);
        }
        if !self.arrows.is_empty() {
            scene.level();
        }
        let (labels, without_name) = self.labels(visible, &scene, &marks, area);
        let routes = self.routes(&scene, &labels, area);
        let mut notes = vec![counts(visible)];
        notes.extend((visible.gone > 0).then(|| format!("{} gone.", counted(visible.gone, "link"))));
        let are_new_drawn = scene.coverage(&scene.new_links) <= MOST_NEW_COVERAGE;
        let new_links = self.since.map(|_| visible.new_links.len());
        notes.extend(
            new_links.filter(|_| !are_new_drawn).map(|count| format!("{} new.", counted(count, "link"))),
        );
        notes.extend(links_left_out(&scene));
        notes.extend(without_name);
        notes.extend(self.arrows_left_out(visible, &routes));
        // Hubs on top of others, and the origin on top of all.
        let mut nodes: Vec<(NodeId, Mark)> =
            visible.nodes.iter().map(|&node| (node, marks[node.index()])).collect();
        nodes.sort_by_key(|&(node, mark)| (is_origin(mark), visible.degree(node)));
        let legend = Legend {
            steps: self.steps(visible),
            hops: self.hop_rows(visible),
            sizes: (self.arrows.is_empty() && scene.sizes.degrees.1 > 0).then_some(scene.sizes),
            new_links: new_links.filter(|_| are_new_drawn),
            notes,
        };
        Network { scene, nodes, labels, routes, column, legend }
    }

    fn hop_of(&self, node: NodeId) -> Option<u32> {
        self.hops.get(node.index()).copied().flatten()
    }

    fn hop_rows(&self, visible: &Visible) -> Vec<Row> {
        let hops: Vec<Option<u32>> = visible.nodes.iter().map(|&node| self.hop_of(node)).collect();
        if self.hops.is_empty() { Vec::new() } else { legend::hop_rows(&hops) }
    }

    /// How each node is drawn, absent ones included.
    fn marks(&self, visible: &Visible) -> Vec<Mark> {
        let last = visible.nodes.iter().filter_map(|&node| self.hop_of(node)).max().unwrap_or(0);
        let mark = |node: NodeId| match self.hop_of(node) {
            _ if self.hops.is_empty() => Mark::Full(palette::PLAIN),
            Some(0) => Mark::Target(palette::ORIGIN),
            Some(hop) => Mark::Full(palette::by_hop(hop, last)),
            None => Mark::Hollow(palette::UNREACHED),
        };
        self.graph.node_ids().map(mark).collect()
    }

    /// The labels that have room; how many have none, where all were wanted.
    fn labels(
        &self,
        visible: &Visible,
        scene: &Scene,
        marks: &[Mark],
        area: &Area,
    ) -> (Vec<Label>, Option<String>) {
        let radius = scene.sizes.smallest;
        let all = visible.nodes.len() <= ALL_LABELLED_UP_TO || radius >= HOLDS_A_NUMBER;
        let size = if all { (0.8 * radius).clamp(12.0, 20.0) } else { 12.5 };
        let letters = Letters { size, weight: Weight::Bold, color: palette::INK };
        let nodes = nodes_to_label(visible, marks, all);
        let names: Vec<String> = nodes.iter().map(|&node| cut(&self.name(node), &letters, 140.0)).collect();
        let wish = |(node, name): (&NodeId, &String)| Wish {
            node: node.index(),
            width: letters.width(name),
            height: 1.15 * size,
        };
        let wishes: Vec<Wish> = nodes.iter().zip(&names).map(wish).collect();
        let placed = labels::place(&wishes, &scene.discs, &scene.links, area);
        let missing = wishes.len() - placed.len();
        let label = |place: Placed| {
            let color =
                if place.inside { marks[nodes[place.wish].index()].text_color() } else { palette::INK };
            let text = names[place.wish].clone();
            Label { text, letters: Letters { color, ..letters }, inside: place.inside, area: place.area }
        };
        let note =
            (all && missing > 0).then(|| format!("{} left out for want of room.", counted(missing, "name")));
        (placed.into_iter().map(label).collect(), note)
    }

    fn routes(&self, scene: &Scene, labels: &[Label], area: &Area) -> Vec<Option<Route>> {
        let ends = self.arrows.iter().map(|arrow| (arrow.from.index(), arrow.to.index()));
        let beside = labels.iter().filter(|label| !label.inside).map(|label| label.area);
        let obstacles =
            Obstacles { discs: &scene.discs, labels: beside.collect(), links: &scene.links, page: *area };
        arrows::routes(&ends.collect::<Vec<_>>(), &obstacles)
    }

    fn are_arrows_numbered(&self, visible: &Visible) -> bool {
        visible.nodes.len() <= FEW && self.arrows.len() <= MOST_ARROWS
    }

    fn steps(&self, visible: &Visible) -> Vec<Step> {
        let numbered = self.are_arrows_numbered(visible);
        let step = |(number, arrow): (usize, &Arrow)| Step {
            number: numbered.then_some(number),
            route: format!("{} → {}", self.name(arrow.from), self.name(arrow.to)),
            label: arrow.label.clone(),
        };
        (1..).zip(self.arrows).take(MOST_ARROWS).map(step).collect()
    }

    /// What is to be said of arrows that are not drawn, not numbered, not listed.
    fn arrows_left_out(&self, visible: &Visible, routes: &[Option<Route>]) -> Vec<String> {
        let mut notes = Vec::new();
        let hidden = routes.iter().filter(|route| route.is_none()).count();
        if hidden > 0 {
            notes.push(format!("{} not drawn.", counted(hidden, "arrow")));
        }
        if self.arrows.is_empty() {
            return notes;
        }
        if !self.are_arrows_numbered(visible) {
            notes.push(format!("Too many arrows or nodes for numbers: at most {MOST_ARROWS} and {FEW}."));
        } else if routes.iter().flatten().any(|route| route.number.is_none()) {
            notes.push("Numbers without room are left out.".to_string());
        }
        let unlisted = self.arrows.len().saturating_sub(MOST_ARROWS);
        notes.extend((unlisted > 0).then(|| format!("{} not listed.", counted(unlisted, "more arrow"))));
        notes
    }

    fn name(&self, node: NodeId) -> String {
        self.names.get(node.index()).map_or_else(|| node.0.to_string(), |name| printable(name))
    }
}

fn is_origin(mark: Mark) -> bool {
    matches!(mark, Mark::Target(_))
}

fn counts(visible: &Visible) -> String {
    format!("{}, {}.", counted(visible.nodes.len(), "node"), counted(visible.links.len(), "link"))
}

/// Whose labels are wanted, the most important first: all, or the origin and those that stand out.
fn nodes_to_label(visible: &Visible, marks: &[Mark], all: bool) -> Vec<NodeId> {
    let mut nodes = visible.nodes.clone();
    nodes.sort_by_key(|&node| (!is_origin(marks[node.index()]), Reverse(visible.degree(node))));
    if !all {
        let mean = 2 * visible.links.len() / nodes.len();
        nodes.retain(|&node| is_origin(marks[node.index()]) || visible.degree(node) > 2 * mean);
        nodes.truncate(MOST_LABELS);
    }
    nodes
}

/// Why links are not drawn, if they are not.
fn links_left_out(scene: &Scene) -> Option<String> {
    let times = || thousands(scene.link_coverage().round() as usize);
    let fog = scene.link_coverage() > MOST_COVERAGE;
    fog.then(|| format!("Links are not drawn: they would cover the page {} times over.", times()))
}

impl Sheet<'_> {
    fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>) {
        self.header.draw(pen);
        match &self.body {
            Body::Network(network) => network.draw(pen),
            Body::Charts { hops, degrees, notes } => {
                let (right, bottom) = (f64::from(WIDTH) - MARGIN, self.height - MARGIN);
                let area = Area { left: MARGIN, top: self.header.bottom(), right, bottom };
                legend::draw_charts(pen, &area, hops, degrees, notes);
            }
        }
    }
}

impl Network {
    fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>) {
        draw_links(pen, &self.scene);
        arrows::draw(pen, self.routes.iter().flatten());
        for &(node, mark) in &self.nodes {
            let disc = self.scene.discs[node.index()];
            mark.draw(pen, disc.center, disc.radius);
        }
        for label in &self.labels {
            label.draw(pen);
        }
        let numbered = self.legend.steps.iter().all(|step| step.number.is_some());
        for (number, route) in (1..).zip(&self.routes).filter(|_| numbered) {
            if let Some(place) = route.as_ref().and_then(|route| route.number) {
                draw_badge(pen, place, number);
            }
        }
        self.legend.draw(Some(pen), &self.column);
    }
}

impl Label {
    fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>) {
        if !self.inside {
            let corner = Point { x: self.area.left, y: self.area.top };
            let opposite = Point { x: self.area.right, y: self.area.bottom };
            // Links shine through, but faintly.
            pen.rectangle(corner, opposite, BackendColor { alpha: 0.75, ..palette::PAPER });
        }
        let center = self.area.center();
        let foot = Point { x: center.x, y: center.y + 0.36 * self.letters.size };
        pen.text(&self.text, foot, Align::Center, &self.letters);
    }
}

/// Draws the links, and those that are new over them; neither where they would be fog.
fn draw_links<DB: DrawingBackend>(pen: &mut Pen<DB>, scene: &Scene) {
    let (width, alpha) = scene.link_style();
    let faint = BackendColor { alpha, ..palette::THREAD };
    let strong = BackendColor { alpha: 0.9, ..palette::NEW };
    let layers = [
        (&scene.links, MOST_COVERAGE, width, faint),
        (&scene.new_links, MOST_NEW_COVERAGE, 1.8 * width, strong),
    ];
    for (links, most, width, color) in layers {
        if scene.coverage(links) <= most {
            for (from, to) in links {
                pen.line(*from, *to, width, color);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture<'a>(graph: &'a Graph, hops: &'a [Option<u32>], names: &'a [String]) -> TopologyPicture<'a> {
        TopologyPicture { title: "A title", subtitle: "and more", hops, names, ..TopologyPicture::of(graph) }
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
            texts.contains(&"10,001") && texts.contains(&"9,994") && texts.contains(&"not reached"),
            "{texts:?}"
        );
    }

    #[test]
    fn the_layout_of_another_graph_is_refused() {
        let layout = Layout::force_directed(&ring(4), 1);
        let refused = picture(&ring(5), &[], &[]).svg(&layout).unwrap_err();
        assert_eq!(refused.to_string(), "the layout places 4 nodes, but the network has 5");
    }

    /// Where the circles of an SVG document are.
    fn circles(svg: &str) -> std::collections::BTreeSet<(&str, &str)> {
        svg.split("<circle ")
            .skip(1)
            .filter_map(|tag| {
                let field = |name: &str| tag.split_once(name)?.1.split_once('"').map(|(value, _)| value);
                Some((field("cx=\"")?, field("cy=\"")?))
            })
            .collect()
    }

    #[test]
    fn a_node_keeps_its_place_while_the_network_changes() {
        let (earlier, later) =
            (ring(6), Graph::from_edges(9, &[(0, 6), (6, 7), (7, 0), (3, 8), (0, 1), (0, 5)]));
        let layout = Layout::force_directed(&Graph::union([&earlier, &later]), 1);
        let six = picture(&earlier, &[], &[]).svg(&layout).unwrap();
        let names: Vec<String> = ('a'..='i').map(String::from).collect();
        let present = [true, true, false, true, false, true, true, true, true];
        let changed =
            TopologyPicture { present: &present, since: Some(&earlier), ..picture(&later, &[], &names) };
        let seven = changed.svg(&layout).unwrap();
        // Those of 0, 1, 3 and 5; the circles in the legends differ.
        assert_eq!(circles(&six).intersection(&circles(&seven)).count(), 4);
        let texts = texts(&seven);
        assert!(texts.contains(&"7 nodes, 6 links.") && texts.contains(&"4 new links"), "{texts:?}");
        assert!(
            texts.contains(&"4 links gone.") && texts.contains(&"i") && !texts.contains(&"e"),
            "{texts:?}"
        );
    }

    fn arrows(count: u32, nodes: u32) -> Vec<Arrow> {
        let end = |node: u32| NodeId(node % nodes);
        (0..count).map(|i| Arrow { from: end(i), to: end(2 * i + 1), label: format!("word {i}") }).collect()
    }

    #[test]
    fn arrows_are_numbered_and_listed() {
        let graph = ring(7);
        let layout = Layout::force_directed(&graph, 1);
        let names: Vec<String> = ["A", "B", "C", "D", "E", "F", "G"].map(String::from).to_vec();
        let svg =
            TopologyPicture { arrows: &arrows(5, 7), ..picture(&graph, &[], &names) }.svg(&layout).unwrap();
        let texts = texts(&svg);
        assert!(texts.contains(&"D → A") && texts.contains(&"word 4"), "{texts:?}");
        // Once upon the arrow, once in the list.
        assert_eq!(texts.iter().filter(|text| **text == "4").count(), 2);
    }

    #[test]
    fn too_many_arrows_have_no_numbers_and_a_cut_list() {
        let graph = ring(7);
        let layout = Layout::force_directed(&graph, 1);
        let svg =
            TopologyPicture { arrows: &arrows(20, 7), ..picture(&graph, &[], &[]) }.svg(&layout).unwrap();
        assert!(svg.contains("word 11") && !svg.contains("word 12"));
        assert!(svg.contains("8 more arrows not listed.") && svg.contains("Too many arrows"));
    }

    #[test]
    fn small_networks_have_low_pages() {
        let height = |nodes: u32| {
            let graph = ring(nodes);
            picture(&graph, &[], &[]).sheet(&Layout::force_directed(&graph, 1)).unwrap().height
        };
        assert!(height(6) < 600.0 && height(100) > 700.0);
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
            present in prop::collection::vec(any::<bool>(), 0..60),
            ends in prop::collection::vec((0u32..60, 0u32..60), 0..16),
        ) {
            let edges: Vec<_> =
                edges.into_iter().filter(|&(a, b)| (a.max(b) as usize) < nodes).collect();
            let graph = Graph::from_edges(nodes, &edges);
            let layout = Layout::force_directed(&graph, 1);
            let arrow = |(from, to)| Arrow { from: NodeId(from), to: NodeId(to), label: title.clone() };
            let arrows: Vec<Arrow> = ends.into_iter().map(arrow).collect();
            let since = Graph::from_edges(nodes / 2, &[]);
            let picture = TopologyPicture {
                title: &title,
                present: &present,
                arrows: &arrows,
                since: Some(&since),
                ..picture(&graph, &hops, &names)
            };
            texts(&picture.svg(&layout).unwrap());
        }
    }
}
