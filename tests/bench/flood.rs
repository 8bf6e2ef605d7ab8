//! How long workload W takes, without building its network. `cargo bench --bench flood`
//!
//! A million nodes take too long to be repeated often: they are measured by `limit`.

mod workload;

use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use std::time::Duration;
use workload::SIZES;

fn flood(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flood");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for size in &SIZES[..3] {
        let deliveries = size.flood(&mut size.build(1), 1);
        group.throughput(Throughput::Elements(deliveries));
        group.bench_function(BenchmarkId::from_parameter(size.nodes), |bencher| {
            bencher.iter_batched_ref(
                || size.build(1),
                |network| size.flood(network, 1),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, flood);
criterion_main!(benches);
