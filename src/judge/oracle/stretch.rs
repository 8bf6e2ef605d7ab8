//! How much later than possible deliveries were.

use super::Oracle;
use crate::id::NodeId;
use crate::time::Time;
use serde::Serialize;

/// The delay of a delivery over the least possible one, over all deliveries but the origins' own.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Stretch {
    /// The mean.
    pub mean: f64,
    /// The maximum.
    pub most: f64,
    /// Over how many broadcasts: the first ones, as many as a summary has time for; all of them, if an expectation asks.
    pub broadcasts: usize,
    /// How many deliveries.
    #[serde(skip)]
    pub deliveries: u64,
    /// Where the maximum was: the broadcast's number, and the node.
    #[serde(skip)]
    pub slowest: Option<(usize, NodeId)>,
    /// A delivery before the earliest possible one: there is a mistake in the world, or in the oracle.
    #[serde(skip)]
    pub haste: Option<Haste>,
}

/// A delivery that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Haste {
    /// The broadcast's number.
    pub broadcast: usize,
    /// Who delivered.
    pub node: NodeId,
    /// When.
    pub time: Time,
    /// When it would have been possible, if ever.
    pub earliest: Option<Time>,
}

impl Stretch {
    /// Of the broadcasts that the chronicle follows; `None` if nobody but their origins delivered one.
    pub fn of(oracle: &Oracle<'_>) -> Option<Stretch> {
        let (mut stretch, mut sum) = (Stretch::nothing(), 0.0);
        let chronicle = oracle.chronicle();
        let followed = chronicle.deliveries().iter().zip(chronicle.publications());
        for (number, (deliveries, &publication)) in followed.enumerate() {
            let earliest = oracle.ask(publication);
            stretch.broadcasts += 1;
            for &(node, time) in deliveries.iter().filter(|(node, _)| *node != publication.origin) {
                let possible = earliest.at(node);
                match possible.filter(|&possible| possible <= time) {
                    Some(possible) => {
                        let ratio = ratio([time, possible].map(|time| time.since(publication.at.time)));
                        sum += ratio;
                        stretch.deliveries += 1;
                        if stretch.deliveries == 1 || ratio > stretch.most {
                            (stretch.most, stretch.slowest) = (ratio, Some((number, node)));
                        }
                    }
                    None => {
                        let haste = Haste { broadcast: number, node, time, earliest: possible };
                        stretch.haste.get_or_insert(haste);
                    }
                }
            }
        }
        stretch.mean = sum / stretch.deliveries as f64;
        (stretch.deliveries > 0 || stretch.haste.is_some()).then_some(stretch)
    }

    fn nothing() -> Stretch {
        Stretch { mean: 0.0, most: 0.0, broadcasts: 0, deliveries: 0, slowest: None, haste: None }
    }
}

/// The actual delay over the least. Where no time at all was possible, a nanosecond counts as the least.
pub fn ratio([actual, least]: [std::time::Duration; 2]) -> f64 {
    if actual == least {
        return 1.0;
    }
    actual.as_nanos() as f64 / least.as_nanos().max(1) as f64
}
