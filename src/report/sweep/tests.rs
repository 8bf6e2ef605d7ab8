//! A small sweep, summed up by hand.

use super::*;

fn setting(text: &str) -> Setting {
    serde_json::from_str(text).unwrap()
}

/// A run with a time to all and, if it has one, a coverage.
fn run(values: &Setting, seed: u64, verdict: Verdict, metrics: &str) -> SweepRun {
    let finding =
        Finding { expectation: "everyone_delivers".into(), verdict, evidence: format!("seed {seed}") };
    SweepRun {
        setting: values.clone(),
        seed,
        verdict,
        findings: vec![finding],
        metrics: serde_json::from_str(metrics).unwrap(),
        digest: format!("{seed:032x}"),
    }
}

/// 20 seeds with each of two settings; under the second one, seeds 7 and 9 fail, and 11 is vacuous and has no coverage.
fn example(ending: Ending) -> SweepSummary {
    let settings = [r#"{"end": "1s", "jitter": 0}"#, r#"{"end": "1s", "jitter": 0.5}"#].map(setting);
    let mut sweep = Sweep::over(settings.to_vec());
    for (number, values) in settings.iter().enumerate() {
        for seed in 0..20 {
            let verdict = match (number, seed) {
                (1, 7 | 9) => Verdict::Fail,
                (1, 11) => Verdict::Vacuous,
                _ => Verdict::Pass,
            };
            let time = 1_000_000 * (20 - seed);
            let coverage = match verdict {
                Verdict::Vacuous => String::new(),
                Verdict::Fail => r#""coverage": 0.9999999, "#.into(),
                _ => r#""coverage": 1, "#.into(),
            };
            let metrics =
                format!("{{{coverage}\"gaps\": 0, \"nodes\": 5, \"time_to_100_percent_mean_ns\": {time}}}");
            sweep.add(number, &run(values, seed, verdict, &metrics), || format!("again {number} {seed}"));
        }
    }
    sweep.sum_up(("Title".into(), String::new()), "0..20".into(), 40, ending)
}

#[test]
fn verdicts_are_counted_and_the_worst_counts() {
    let summary = example(Ending::Complete);
    assert_eq!((summary.verdict, summary.runs), (Verdict::Fail, 40));
    assert_eq!(summary.settings[0].verdicts, Verdicts { pass: 20, ..Verdicts::default() });
    assert_eq!(summary.settings[1].verdicts, Verdicts { pass: 17, fail: 2, unknown: 0, vacuous: 1 });
    let shown: Vec<(u64, &str)> =
        summary.not_passed.iter().map(|run| (run.seed, run.repeat.as_str())).collect();
    assert_eq!(shown, [(7, "again 1 7"), (9, "again 1 9"), (11, "again 1 11")]);
    for (verdicts, worst) in [
        (Verdicts { pass: 1, unknown: 1, ..Verdicts::default() }, Verdict::Unknown),
        (Verdicts { pass: 1, unknown: 1, vacuous: 1, fail: 0 }, Verdict::Vacuous),
        (Verdicts { pass: 1, ..Verdicts::default() }, Verdict::Pass),
        (Verdicts::default(), Verdict::Vacuous),
    ] {
        assert_eq!(verdicts.worst(), worst);
    }
}

#[test]
fn percentiles_are_values_that_occurred_and_the_worst_has_its_seed() {
    let summary = example(Ending::Complete);
    let [coverage, time, ..] = summary.settings[1].metrics[..] else { panic!("two metrics and more") };
    assert_eq!((time.metric.name, time.runs), ("time_to_100_percent_mean_ns", 20));
    assert_eq!((time.median, time.percentile_5, time.percentile_95), (10e6, 1e6, 19e6));
    assert_eq!((time.worst, time.worst_seed, time.best), (20e6, 0, 1e6));
    assert_eq!((coverage.worst, coverage.best), (0.9999999, 1.0));
    // Less is worse, and the first of equals counts.
    assert_eq!((coverage.runs, coverage.worst_seed), (19, 7));
    assert_eq!(coverage.metric.show(coverage.worst), "99.9999 %");
    for (values, percent, expected) in
        [(&[3.0][..], 5, 3.0), (&[1.0, 2.0], 50, 1.0), (&[1.0, 2.0, 3.0], 50, 2.0), (&[1.0, 2.0], 95, 2.0)]
    {
        assert_eq!(percentile(values, percent), Some(expected), "{percent} % of {values:?}");
    }
    assert_eq!(percentile(&[], 50), None);
}

#[test]
fn only_what_was_judged_is_evidence() {
    let failure = example(Ending::Complete).settings[1].failure.unwrap();
    assert_eq!((failure.failed, failure.judged), (2, 19));
    let stopped = example(Ending::FirstFailure);
    assert!(stopped.settings[0].failure.is_some() && stopped.settings[1].failure.is_none());
    assert_eq!(
        example(Ending::Complete).sentence(),
        "the worst setting, jitter=0.5: 2 of 19 seeds failed: 11 %; probability of failure between 1.3 % and 34 % at \
         95 % confidence; 1 more was unknown or vacuous and says nothing"
    );
    assert!(stopped.sentence().ends_with("that gives no probability of failure"), "{}", stopped.sentence());
}

#[test]
fn a_run_is_read_as_it_was_written() {
    let metrics = r#"{"coverage":0.1,"hops_mean":2.5,"redundancy_mean":-0.5,"events":12345678901}"#;
    let run = run(&setting(r#"{"x":[1,"a"]}"#), u64::MAX, Verdict::Unknown, metrics);
    let line = serde_json::to_string(&run).unwrap();
    assert!(line.contains(metrics), "{line}");
    assert_eq!(serde_json::from_str::<SweepRun>(&line).unwrap(), run);
}

#[test]
fn tables_for_programs_quote_what_needs_it() {
    let values = setting(r#"{"name": "a,b", "list": ["x"], "n": 5}"#);
    let run = run(&values, 3, Verdict::Pass, r#"{"coverage": 1}"#);
    let (head, row) = (SweepRun::csv_head(&values), run.csv_row());
    assert!(head.starts_with("name,list,n,seed,verdict,coverage,time_to_50_percent_mean_ns,"), "{head}");
    assert!(row.starts_with(r#""a,b","[""x""]",5,3,pass,1,,"#), "{row}");
    assert_eq!(head.trim_end().split(',').count(), row.trim_end().split(',').count() - 1, "one is quoted");
    let csv = example(Ending::Complete).metrics_csv();
    assert_eq!(csv.lines().count(), 1 + 2 * 4);
    assert!(
        csv.contains("1s,0.5,time_to_100_percent_mean_ns,20,10000000,1000000,19000000,20000000,0\n"),
        "{csv}"
    );
}

#[test]
fn a_terminal_shows_settings_side_by_side() {
    insta::assert_snapshot!(example(Ending::Complete).to_string(), @r"
    Title
    with end=1s

      FAIL
      fail     seed 7, jitter=0.5: everyone_delivers: seed 7
               repeat: again 1 7
      fail     seed 9, jitter=0.5: everyone_delivers: seed 9
               repeat: again 1 9
      vacuous  seed 11, jitter=0.5: everyone_delivers: seed 11
               repeat: again 1 11

      runs                             pass     fail  unknown  vacuous   failure, at 95 %
        jitter=0                         20        0        0        0   below 14 %
        jitter=0.5                       17        2        0        1   1.3 % to 34 %

      coverage                         median        5 %       95 %      worst   with seed    runs
        jitter=0                        100 %      100 %      100 %      100 %   0              20
        jitter=0.5                      100 %  99.9999 %      100 %  99.9999 %   7              19

      time to 100 percent mean         median        5 %       95 %      worst   with seed    runs
        jitter=0                      10.0 ms    1.00 ms    19.0 ms    20.0 ms   0              20
        jitter=0.5                    10.0 ms    1.00 ms    19.0 ms    20.0 ms   0              20

      the same in every run:
        gaps 0 · nodes 5
    ");
}
