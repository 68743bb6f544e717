//! Quantities: fixed-point numbers with the suffixes of Kubernetes (`500m`, `1.5`, `2Gi`, `3e2`), read exactly.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::arithmetic;

/// What a quantity is capped at, in nano-units: 2^63 − 1.
const MAXIMUM: i128 = i64::MAX as i128 * NANOS;
const NANOS: i128 = 1_000_000_000;
/// The finest that a quantity distinguishes: anything finer is rounded up.
const FINEST: i32 = -9;
/// Powers of ten from 10^-9, each the nearest float64.
const POWERS: [f64; 28] = [
    1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
];

/// In which suffixes a quantity is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `n u m k M G T P E`
    #[default]
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`
    BinarySi,
    /// `e3`
    DecimalExponent,
}

/// A number of Kubernetes' API: exact to 10^-9, at most 2^63 − 1 in magnitude.
///
/// As in Kubernetes, what is finer is rounded up (away from zero) and what is greater is capped. A number of more than 38 digits (20
/// before a binary suffix) may be refused.
///
/// ```
/// use hpa::Quantity;
///
/// let quantity: Quantity = "1.5Gi".parse()?;
/// assert_eq!(quantity.milli(), 1_610_612_736_000);
/// assert_eq!(quantity.to_string(), "1536Mi");
/// assert_eq!("100m".parse::<Quantity>()?, Quantity::from_milli(100));
/// assert!("100 m".parse::<Quantity>().is_err());
/// # Ok::<(), hpa::QuantityError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    /// The value is `mantissa · 10^exponent`, in the form in which it was written: of that the float depends.
    mantissa: i128,
    exponent: i32,
    format: Format,
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It does not begin with a number, or has something after its suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// Its number cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// Its suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    /// A quantity of whole units.
    pub const fn new(units: i64) -> Self {
        Self {
            mantissa: units as i128,
            exponent: 0,
            format: Format::DecimalSi,
        }
    }

    /// A quantity of thousandths, as the controller counts.
    pub const fn from_milli(milli: i64) -> Self {
        Self {
            mantissa: milli as i128,
            exponent: -3,
            format: Format::DecimalSi,
        }
    }

    /// The same quantity, written otherwise.
    #[must_use]
    pub const fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// How it is written.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Thousandths, rounded away from zero; the nearest int64 where there are too many.
    pub fn milli(&self) -> i64 {
        arithmetic::narrow(divide_up(self.nanos(), 1_000_000))
    }

    /// Below, at or above zero: −1, 0 or 1.
    pub const fn signum(&self) -> i128 {
        self.mantissa.signum()
    }

    /// As a float: the mantissa times a power of ten, which is how the controller reads a tolerance.
    pub fn to_f64(&self) -> f64 {
        let mantissa = arithmetic::float_wide(self.mantissa);
        match usize::try_from(self.exponent - FINEST) {
            Ok(at) if self.exponent != 0 => mantissa * POWERS.get(at).copied().unwrap_or(1e18),
            _ => mantissa,
        }
    }

    /// The value in nano-units: exact, as no quantity is finer or greater.
    fn nanos(&self) -> i128 {
        let shift = u32::try_from(self.exponent - FINEST).unwrap_or(0);
        self.mantissa * 10_i128.pow(shift)
    }

    /// `mantissa · 10^exponent`, which may be finer or greater than a quantity can be.
    fn bounded(mantissa: i128, exponent: i32, format: Format) -> Self {
        if exponent < FINEST {
            let divisor = 10_i128.checked_pow((FINEST - exponent).unsigned_abs());
            let nanos = divisor.map_or(mantissa.signum(), |it| divide_up(mantissa, it));
            return Self {
                mantissa: nanos.clamp(-MAXIMUM, MAXIMUM),
                exponent: FINEST,
                format,
            };
        }
        let scale = 10_i128.checked_pow((exponent - FINEST).unsigned_abs());
        match scale.and_then(|it| mantissa.checked_mul(it)) {
            Some(0) => Self {
                format,
                ..Self::default()
            },
            Some(nanos) if nanos.abs() <= MAXIMUM => Self {
                mantissa,
                exponent,
                format,
            },
            _ if mantissa == 0 => Self::default(),
            _ => Self {
                mantissa: mantissa.signum() * i128::from(i64::MAX),
                exponent: 0,
                format,
            },
        }
    }
}

/// Division that rounds away from zero.
const fn divide_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    if value % divisor == 0 {
        quotient
    } else {
        quotient + value.signum()
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
            None => return Err(QuantityError::Format),
        };
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            // A dot or a sign alone is a number to the regular expression, but none can be read from it.
            return Err(
                if rest.starts_with('.') || (text.len() > unsigned.len() && rest.is_empty()) {
                    QuantityError::Number
                } else {
                    QuantityError::Format
                },
            );
        }
        let (exponent, factor, format) = read_suffix(suffix)?;
        let mantissa = format!("{whole}{fraction}").parse::<i128>().ok();
        let mantissa =
            mantissa.and_then(|it| it.checked_mul(if negative { -factor } else { factor }));
        let mantissa = mantissa.ok_or(QuantityError::Number)?;
        let decimals = i32::try_from(fraction.len()).map_err(|_| QuantityError::Number)?;
        let quantity = Self::bounded(mantissa, exponent.saturating_sub(decimals), format);
        // Less than one is never written in powers of two.
        if format == Format::BinarySi && quantity.nanos().abs() < NANOS {
            return Ok(quantity.with_format(Format::DecimalSi));
        }
        Ok(quantity)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|it: char| !it.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// The power of ten, the factor and the format that a suffix stands for.
fn read_suffix(suffix: &str) -> Result<(i32, i128, Format), QuantityError> {
    let decimal = |exponent| Ok((exponent, 1, Format::DecimalSi));
    let binary = |shift: u32| Ok((0, 1_i128 << shift, Format::BinarySi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => read_exponent(suffix),
    }
}

fn read_exponent(suffix: &str) -> Result<(i32, i128, Format), QuantityError> {
    let known = |it: char| "eEinumkKMGTP".contains(it);
    let rest = suffix.trim_start_matches(known);
    let digits = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    if !digits.bytes().all(|it| it.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .ok_or(QuantityError::Suffix)?;
    match exponent.parse::<i64>() {
        // Beyond this every number is capped, or rounded up to the finest.
        Ok(exponent) => {
            let exponent = i32::try_from(exponent.clamp(-100, 100));
            Ok((exponent.unwrap_or(0), 1, Format::DecimalExponent))
        }
        Err(_) => Err(QuantityError::Suffix),
    }
}

impl fmt::Display for Quantity {
    /// The canonical form: the greatest suffix that leaves no fraction.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.nanos();
        if nanos == 0 {
            return out.write_str("0");
        }
        let whole = nanos / NANOS;
        if self.format == Format::BinarySi && nanos % NANOS == 0 && whole.abs() >= 1024 {
            let (mut number, mut thousands) = (whole, 0);
            while number % 1024 == 0 && thousands < 6 {
                number /= 1024;
                thousands += 1;
            }
            return write!(
                out,
                "{number}{}",
                ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][thousands]
            );
        }
        let (mut number, mut thousands) = (nanos, 0);
        while number % 1000 == 0 && thousands < 9 {
            number /= 1000;
            thousands += 1;
        }
        if self.format == Format::DecimalExponent {
            return match thousands {
                3 => write!(out, "{number}"),
                _ => write!(
                    out,
                    "{number}e{}",
                    3 * i64::try_from(thousands).unwrap_or(0) - 9
                ),
            };
        }
        let suffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        write!(out, "{number}{}", suffixes[thousands])
    }
}

impl PartialEq for Quantity {
    /// Equal in value, however written.
    fn eq(&self, other: &Self) -> bool {
        self.nanos() == other.nanos()
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos().cmp(&other.nanos())
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a quantity such as 500m, 1.5 or 2Gi")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.trim().parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, units: i64) -> Result<Quantity, E> {
                Ok(Quantity::new(units))
            }

            fn visit_u64<E: de::Error>(self, units: u64) -> Result<Quantity, E> {
                Ok(Quantity::new(i64::try_from(units).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                number.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
