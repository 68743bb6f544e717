//! Numbers as the controller computes them: int32 and int64 that wrap, and float64 where it divides.
//!
//! Go leaves open what a float beyond the range of an int32 becomes (`math.MinInt32` on amd64, the nearest on arm64); here it is
//! the nearest, as on arm64.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the controller's own conversions, in one place"
)]

/// `int32(math.Ceil(value))`.
pub(crate) fn ceil(value: f64) -> i32 {
    value.ceil() as i32
}

/// `int32(value)`: towards zero.
pub(crate) fn truncate(value: f64) -> i32 {
    value as i32
}

/// `int64(math.Ceil(value))`.
pub(crate) fn ceil_wide(value: f64) -> i64 {
    value.ceil() as i64
}

/// `float64(value)`.
pub(crate) fn float(value: i64) -> f64 {
    value as f64
}

/// `float64(value)` of a mantissa.
pub(crate) fn float_wide(value: i128) -> f64 {
    value as f64
}

/// `int32(part * 100 / whole)`: percent without its fraction.
pub(crate) fn percent(part: i64, whole: i64) -> i32 {
    part.wrapping_mul(100).wrapping_div(whole) as i32
}

/// The mean of `count` values, towards zero.
pub(crate) fn mean(total: i64, count: usize) -> i64 {
    total / i64::try_from(count.max(1)).unwrap_or(i64::MAX)
}

/// A length as float64.
pub(crate) fn length(count: usize) -> f64 {
    count as f64
}

/// An int128 as int64, the nearest where it does not fit.
pub(crate) fn narrow(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}
