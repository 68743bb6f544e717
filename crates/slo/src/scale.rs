//! The same rules on a faster clock, so that a drill sees in seconds what takes hours.
//!
//! Only time shrinks: windows, how long a condition must hold, how often groups are evaluated and notified. What the shop does by itself (an
//! order's timeout, back-off) and the least number of bad events stay as they are. Names keep their windows: `ratio_rate1h` names a row.

use crate::windows::seconds;

/// Keys whose values are time: of rules, and of Alertmanager's routes.
const KEYS: [&str; 7] = [
    "for",
    "keep_firing_for",
    "interval",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "resolve_timeout",
];

/// `text`, a file of rules or Alertmanager's configuration, with all time divided by `by`. Keys stand on lines of their own.
pub fn scaled(text: &str, by: f64) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(&scaled_line(line, by));
        out.push('\n');
    }
    out
}

fn scaled_line(line: &str, by: f64) -> String {
    if line.trim_start().starts_with('#') {
        return line.to_owned();
    }
    if let Some((key, value)) = line.split_once(": ")
        && KEYS.contains(&key.trim_start_matches([' ', '-']))
        && let Some(shorter) = shorter(value.trim(), by)
    {
        return format!("{key}: {shorter}");
    }
    ranges(line, by)
}

/// Shrinks `[5m]`, `[1h:1m]` and `[5m:]`; brackets around anything else stay.
fn ranges(line: &str, by: f64) -> String {
    let mut parts = line.split('[');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push('[');
        let range = part.split_once(']').and_then(|(range, rest)| {
            let shorter = |it: &str| match it {
                "" => Some(String::new()),
                _ => shorter(it, by),
            };
            let halves: Option<Vec<_>> = range.split(':').map(shorter).collect();
            Some(format!("{}]{rest}", halves?.join(":")))
        });
        out.push_str(&range.unwrap_or_else(|| part.to_owned()));
    }
    out
}

fn shorter(duration: &str, by: f64) -> Option<String> {
    Some(written(seconds(duration)? / by))
}

/// A duration in the largest unit that leaves no rest, to a millisecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations are positive, and their milliseconds far from the largest number"
)]
fn written(seconds: f64) -> String {
    let millis = (seconds * 1000.0).round() as u64;
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let whole = units
        .iter()
        .find(|it| millis > 0 && millis.is_multiple_of(it.1));
    match whole {
        Some((unit, size)) => format!("{}{unit}", millis / size),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_shrinks_and_nothing_else() {
        for (real, scaled) in [
            ("        for: 2m", "        for: 2s"),
            ("    interval: 1m", "    interval: 1s"),
            ("  - group_wait: 30s", "  - group_wait: 500ms"),
            (
                "sum(increase(a{b=~\"[xy]\"}[30d])) / c:ratio_rate1h > 15",
                "sum(increase(a{b=~\"[xy]\"}[12h])) / c:ratio_rate1h > 15",
            ),
            (
                "avg_over_time(a[5m:]) + b[1h:5m]",
                "avg_over_time(a[5s:]) + b[1m:5s]",
            ),
            ("# for: 2m, [5m]", "# for: 2m, [5m]"),
            ("labels: {window: 1h}", "labels: {window: 1h}"),
            ("group_by: [alertname, slo]", "group_by: [alertname, slo]"),
        ] {
            assert_eq!(super::scaled(real, 60.0), format!("{scaled}\n"));
        }
    }
}
