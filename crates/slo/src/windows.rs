//! The windows over which bad events are counted, and the rows of burn rates that alert.
//!
//! Both windows of a row must burn: the long one says that it matters, the short one that it still goes on. Rows of the SRE Workbook,
//! chapter 5 (<https://sre.google/workbook/alerting-on-slos/>), and below them 3 times the rate over a day.

/// Every window that is recorded, the shortest first.
pub const WINDOWS: [&str; 8] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"];

/// The window that the whole period is.
pub const PERIOD: &str = "30d";

/// Windows that move so slowly that they are computed once a minute.
pub(crate) const SLOW: [&str; 3] = ["1d", "3d", PERIOD];

/// How many events must be bad in the long window before it alerts: with little traffic one bad request is a large share.
pub const LEAST_BAD: u32 = 10;

/// Whom an alert is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody gets up.
    Page,
    /// Somebody looks at it in working hours.
    Ticket,
}

impl Severity {
    /// The value of the label `severity`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// Burning `factor` times as fast as the budget lasts for, over both windows, for as long as `wait`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Whom it is for.
    pub severity: Severity,
    /// The window that says that it matters; it names the row.
    pub long: &'static str,
    /// The window that says that it goes on, a twelfth of the other.
    pub short: &'static str,
    /// How many times faster than the whole budget in the whole period.
    pub factor: f64,
    /// How long it must be so.
    pub wait: &'static str,
    /// How long the whole budget lasts at this rate.
    pub gone_in: &'static str,
}

/// Every row, the fastest first.
pub const ROWS: [Row; 4] = [
    Row {
        severity: Severity::Page,
        long: "1h",
        short: "5m",
        factor: 14.4,
        wait: "2m",
        gone_in: "50 hours",
    },
    Row {
        severity: Severity::Page,
        long: "6h",
        short: "30m",
        factor: 6.0,
        wait: "15m",
        gone_in: "5 days",
    },
    Row {
        severity: Severity::Ticket,
        long: "1d",
        short: "2h",
        factor: 3.0,
        wait: "1h",
        gone_in: "10 days",
    },
    Row {
        severity: Severity::Ticket,
        long: "3d",
        short: "6h",
        factor: 1.0,
        wait: "3h",
        gone_in: "30 days",
    },
];

/// Seconds of a duration as Prometheus writes it, such as `5m` or `1h30m`.
///
/// ```
/// assert_eq!(slo::windows::seconds("1h30m"), Some(5400.0));
/// assert_eq!(slo::windows::seconds("1500ms"), Some(1.5));
/// assert_eq!(slo::windows::seconds("5"), None);
/// ```
pub fn seconds(duration: &str) -> Option<f64> {
    let (mut sum, mut rest) = (0.0, duration);
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|it: char| it.is_ascii_digit())
            .unwrap_or(rest.len());
        sum += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                "w" => 604_800.0,
                "y" => 31_536_000.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!duration.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_spend_what_they_say_and_their_windows_are_recorded() {
        let period = seconds(PERIOD).unwrap();
        let budget = |it: &Row| it.factor * seconds(it.long).unwrap() / period;
        let spent: Vec<_> = ROWS.iter().map(|it| (budget(it) * 100.0).round()).collect();
        assert_eq!(spent, [2.0, 5.0, 10.0, 10.0], "percent of the budget");
        for row in ROWS {
            let (long, short) = (seconds(row.long).unwrap(), seconds(row.short).unwrap());
            assert!((long / short - 12.0).abs() < 1e-9, "{row:?}");
            assert!(WINDOWS.contains(&row.long) && WINDOWS.contains(&row.short));
            let hours = period / row.factor / 3600.0;
            let said = match row.gone_in.split_once(' ').unwrap() {
                (number, "hours") => number.parse::<f64>().unwrap(),
                (number, _) => number.parse::<f64>().unwrap() * 24.0,
            };
            assert!((hours - said).abs() < 1e-9, "{row:?}");
        }
        let lengths: Vec<_> = WINDOWS.iter().map(|it| seconds(it).unwrap()).collect();
        assert!(lengths.is_sorted(), "{WINDOWS:?}");
    }
}
