//! Deliveries allocate nothing. What a flood allocates (the queue's chunks, what each node remembers of older
//! broadcasts, the results) is spread over many of them.

#[path = "bench/workload.rs"]
mod workload;

use workload::SIZES;

/// Allocations that are allowed for each delivery.
const ALLOWED: f64 = 0.02;

#[test]
fn a_delivery_allocates_nothing() {
    let mut network = SIZES[0].build(1);
    let mut deliveries = 0;
    let counted = allocation_counter::measure(|| deliveries = SIZES[0].flood(&mut network, 1));
    let each = counted.count_total as f64 / deliveries as f64;
    assert!(each < ALLOWED, "{each:.4} allocations a delivery, {} in all", counted.count_total);
}
