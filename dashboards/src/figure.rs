//! Numbers as people read them.

use crate::model::Unit;

/// A value with its unit.
pub(crate) fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Seconds => seconds(value),
        Unit::PerSecond => format!("{}/s", short(value)),
        Unit::Share => format!("{} %", short(value * 100.0)),
        Unit::Bytes if value < 1e6 => format!("{} kB", short(value / 1e3)),
        Unit::Bytes => format!("{} MB", short(value / 1e6)),
        Unit::Count => short(value),
        Unit::Times => format!("{}×", short(value)),
        Unit::Processors => format!("{} CPU", short(value)),
    }
}

fn seconds(value: f64) -> String {
    match value.abs() {
        0.0 => "0 s".to_owned(),
        it if it < 0.001 => format!("{} µs", short(value * 1e6)),
        it if it < 1.0 => format!("{} ms", short(value * 1e3)),
        it if it < 120.0 => format!("{} s", short(value)),
        _ => format!("{} min", short(value / 60.0)),
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        it if it >= 99.95 => 0,
        it if it >= 9.995 => 1,
        it if it >= 0.995 || it == 0.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // Nothing is left of a number that is too small.
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A round number that is no smaller.
pub(crate) fn ceiling(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 1.5, 2.0, 2.5, 4.0, 5.0, 7.5, 10.0];
    let round = steps.into_iter().map(|it| it * power);
    let mut enough = round.filter(|it| *it >= value * 0.999);
    enough.next().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_count() {
        for (unit, value, text) in [
            (Unit::Seconds, 0.012_34, "12.3 ms"),
            (Unit::Seconds, 0.000_2, "200 µs"),
            (Unit::Seconds, 3.0, "3 s"),
            (Unit::Seconds, 300.0, "5 min"),
            (Unit::Share, 0.001, "0.1 %"),
            (Unit::Share, 1.0, "100 %"),
            (Unit::PerSecond, 0.0, "0/s"),
            (Unit::Bytes, 23_400_000.0, "23.4 MB"),
            (Unit::Count, 1234.0, "1234"),
            (Unit::Count, -0.000_01, "0"),
            (Unit::Times, 14.4, "14.4×"),
        ] {
            assert_eq!(figure(unit, value), text);
        }
    }

    #[test]
    fn ceilings_are_round_and_high_enough() {
        let ceilings = [0.07, 1.0, 1.2, 11.0, 260.0].map(ceiling);
        let expected = [0.075, 1.0, 1.5, 15.0, 400.0];
        for (it, expected) in ceilings.into_iter().zip(expected) {
            assert!((it - expected).abs() < 1e-9, "{it} {expected}");
        }
    }
}
