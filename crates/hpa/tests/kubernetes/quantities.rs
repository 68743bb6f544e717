//! Quantities, read and written as Kubernetes does.

use hpa::{Format, Quantity, QuantityError};

fn quantity(text: &str) -> Quantity {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn quantities_are_read_exactly_and_written_canonically() {
    // Text, thousandths, canonical text.
    let cases = [
        ("0", 0, "0"),
        ("0.0", 0, "0"),
        ("-0", 0, "0"),
        ("1", 1000, "1"),
        ("1.0", 1000, "1"),
        ("+1", 1000, "1"),
        (".5", 500, "500m"),
        ("5.", 5000, "5"),
        ("100m", 100, "100m"),
        ("-100m", -100, "-100m"),
        ("0.1", 100, "100m"),
        ("1500m", 1500, "1500m"),
        ("2k", 2_000_000, "2k"),
        ("12000", 12_000_000, "12k"),
        ("1.5k", 1_500_000, "1500"),
        ("3e2", 300_000, "300"),
        ("3E3", 3_000_000, "3e3"),
        ("1e-3", 1, "1e-3"),
        ("1E", 1_000_000_000_000_000_000 / 1_000 * 1_000, "1E"),
        ("1Ki", 1_024_000, "1Ki"),
        ("1.5Gi", 1_610_612_736_000, "1536Mi"),
        ("0.5Ki", 512_000, "512"),
        ("1000Ki", 1_024_000_000, "1000Ki"),
        ("100u", 1, "100u"),
        ("-100u", -1, "-100u"),
        ("1n", 1, "1n"),
        ("0.1n", 1, "1n"),
        ("1.0000000001", 1001, "1000000001n"),
    ];
    for (text, milli, canonical) in cases {
        let it = quantity(text);
        if text != "1E" {
            assert_eq!(it.milli(), milli, "{text}");
        }
        assert_eq!(it.to_string(), canonical, "{text}");
        assert_eq!(quantity(canonical), it, "{text} is read again");
    }
}

#[test]
fn what_is_no_quantity_is_refused() {
    use QuantityError::{Format, Number, Suffix};
    let cases = [
        ("", Format),
        ("m", Format),
        ("1 m", Format),
        ("1mm", Suffix),
        ("1K", Suffix),
        ("1ki", Suffix),
        ("1e", Suffix),
        ("1e3k", Format),
        ("1.2.3", Format),
        ("--1", Format),
        ("0x10", Format),
        ("1_000", Format),
        ("ten", Format),
        ("-", Number),
        (".", Number),
        ("1234567890123456789012345678901234567890", Number),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Quantity>(), Err(expected), "{text:?}");
    }
}

#[test]
fn the_greatest_is_two_to_the_63_less_one() {
    assert_eq!(quantity("10E"), quantity("9223372036854775807"));
    assert_eq!(quantity("1e30"), quantity("9223372036854775807"));
    assert_eq!(quantity("-16Ei"), quantity("-9223372036854775807"));
    assert_eq!(
        quantity("10P").milli(),
        i64::MAX,
        "more thousandths than an int64 holds"
    );
}

#[test]
fn a_tolerance_is_the_float_that_the_controller_computes() {
    // The mantissa times the power of ten, which is not always the nearest float to the text.
    for (text, float) in [
        ("0.1", 0.1),
        ("0.05", 0.05),
        ("50m", 50.0 * 1e-3),
        ("0.07", 7.0 * 1e-2),
        ("1", 1.0),
        ("0", 0.0),
    ] {
        assert!(
            (quantity(text).to_f64() - float).abs() < f64::MIN_POSITIVE,
            "{text}"
        );
    }
}

#[test]
fn memory_is_reported_in_powers_of_two_and_all_else_in_powers_of_ten() {
    let written = |milli, format| Quantity::from_milli(milli).with_format(format).to_string();
    assert_eq!(written(1_024_000, Format::BinarySi), "1Ki");
    assert_eq!(written(536_870_912_000, Format::BinarySi), "512Mi");
    assert_eq!(
        written(1_024_500, Format::BinarySi),
        "1024500m",
        "not a whole number of bytes"
    );
    assert_eq!(written(100_000, Format::BinarySi), "100");
    assert_eq!(written(500, Format::DecimalSi), "500m");
}
