//! How far two runs of one scenario agree: one simulated, one by real nodes.

use super::Summary;
use crate::observe::{Metrics, Spread};
use crate::units::human_duration;
use std::fmt::{self, Display};
use std::time::Duration;

/// Two runs side by side.
#[derive(Clone, PartialEq, Debug)]
pub struct Fidelity {
    /// How many broadcasts both had, and how many of them reached the same nodes.
    broadcasts: (usize, usize),
    /// The first that did not.
    different: Option<String>,
    /// What it is, how it was in the simulator, how it was live, and how much that is of it.
    rows: Vec<(String, String, String, String)>,
}

impl Fidelity {
    /// Compares a simulated run with a live one.
    pub fn of(simulated: (&Summary, &Metrics), live: (&Summary, &Metrics)) -> Fidelity {
        let spreads = [simulated.1.spreads(), live.1.spreads()];
        let pairs = || spreads[0].iter().zip(spreads[1]);
        let same = |(a, b): &(&Spread, &Spread)| {
            a.origin == b.origin && a.receivers() == b.receivers() && a.delivered_to().eq(b.delivered_to())
        };
        let all = spreads[0].len().max(spreads[1].len());
        let first =
            pairs().position(|pair| !same(&pair)).or((spreads[0].len() != spreads[1].len()).then_some(all));
        let different = first.map(|number| match pairs().nth(number) {
            Some((a, b)) => format!(
                "broadcast {number} reached {} nodes from node {} in the simulator, and {} from node {} live",
                a.receivers(),
                a.origin.0,
                b.receivers(),
                b.origin.0
            ),
            None => format!("{} broadcasts in the simulator, {} live", spreads[0].len(), spreads[1].len()),
        });
        let mut rows =
            vec![row("payload messages a broadcast", spreads.map(payload_messages), |x| format!("{x:.1}"))];
        for percent in [50, 90, 99] {
            let time = |summary: &Summary| {
                let of = summary.time_to.iter().find(|time| time.percent == percent);
                of.and_then(|time| time.mean_ns).map(|nanos| nanos as f64)
            };
            let times = [time(simulated.0), time(live.0)];
            let text = |nanos: f64| human_duration(Duration::from_nanos(nanos as u64));
            rows.push(row(&format!("time to {percent} %, mean"), times, text));
        }
        let degrees = [&simulated.0.degrees, &live.0.degrees];
        rows.push(row("links of a node, mean", degrees.map(|degrees| Some(degrees.mean)), |x| {
            format!("{x:.2}")
        }));
        rows.push(row("fewest", degrees.map(|degrees| Some(degrees.min as f64)), |x| format!("{x}")));
        rows.push(row("most", degrees.map(|degrees| Some(degrees.max as f64)), |x| format!("{x}")));
        Fidelity { broadcasts: (all, pairs().filter(same).count()), different, rows }
    }

    /// Whether every broadcast reached the same nodes in both.
    pub fn agrees(&self) -> bool {
        self.different.is_none()
    }
}

fn payload_messages(spreads: &[Spread]) -> Option<f64> {
    let sum: u64 = spreads.iter().map(|spread| spread.payload_messages).sum();
    (!spreads.is_empty()).then(|| sum as f64 / spreads.len() as f64)
}

fn row(
    name: &str,
    [simulated, live]: [Option<f64>; 2],
    text: impl Fn(f64) -> String,
) -> (String, String, String, String) {
    let shown = |value: Option<f64>| value.map_or("-".into(), &text);
    let ratio = simulated.zip(live).filter(|(simulated, _)| *simulated > 0.0);
    let ratio = ratio.map_or("-".into(), |(simulated, live)| format!("{:.3}", live / simulated));
    (name.into(), shown(simulated), shown(live), ratio)
}

impl Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "  {:<30} {:>14} {:>14} {:>8}", "", "simulated", "live", "ratio")?;
        for (name, simulated, live, ratio) in &self.rows {
            writeln!(f, "  {name:<30} {simulated:>14} {live:>14} {ratio:>8}")?;
        }
        let (all, same) = self.broadcasts;
        write!(f, "\n  {same} of {all} broadcasts reached the same nodes")?;
        match &self.different {
            Some(what) => write!(f, "; the first that did not: {what}"),
            None => Ok(()),
        }
    }
}
