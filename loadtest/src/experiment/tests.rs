//! What the phases of an arm become for the engine.

use super::*;
use crate::args::TargetArgs;

fn seconds(phases: &[Phase]) -> Vec<f64> {
    phases.iter().map(|it| it.seconds).collect()
}

#[test]
fn only_the_measured_phase_grows_with_the_duration_and_goes_on() {
    const ARM: Arm = Arm {
        load: &[
            warm_up(3),
            nominal("before", 5).times(2.0),
            nominal("known", 1).at(35.0),
            nominal("measured", 22).measured(),
        ],
        ..super::ARM
    };
    let args = |duration| RunArgs {
        seed: None,
        duration,
        rate: 10.0,
        backends: Backends::default(),
        target: TargetArgs::default(),
        from: None,
        observe: false,
        metrics_listen: None,
        verbose: false,
        json: false,
        lose: None,
        starve_ms: 0,
    };
    let files = Backends::default();
    let quick = ARM.phases(&args(None), &files);
    assert_eq!(seconds(&quick), [3.0, 5.0, 1.0, 22.0]);
    let rates: Vec<_> = quick.iter().map(|it| it.arrivals.peak()).collect();
    assert_eq!(rates, [10.0, 20.0, 35.0, 10.0]);
    let longer = args(Some(Duration::from_secs(88)));
    assert_eq!(seconds(&ARM.phases(&longer, &files)), [3.0, 5.0, 1.0, 44.0]);
    assert_eq!(seconds(&ARM.more(&longer, &files)), [1.0, 0.0, 0.0, 44.0]);
    assert_eq!(ARM.measured(), Some(3));
}
