//! Which side of a split a request belongs to: always the same for the same key, and each side as often as it weighs.
//!
//! Each side draws a number from key and name, exponential with the side's weight, and the smallest wins: weighted rendezvous hashing
//! (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998; the weights after Schindelhauer and Schomaker,
//! "Weighted Distributed Hash Tables", 2005). A side's number depends on nothing but itself, so whoever knows the same sides decides the
//! same without asking anybody, and a side whose weight changes takes keys from the others or gives keys to them, but never moves any
//! between those.
//!
//! Weighed: a ring or ranges of a hash; with either, one weight's change moves keys between other sides too.

/// FNV-1a of 64 bits.
const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01B3;

/// A key from whatever names who asks: the same on every machine and in every release.
pub fn key(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(OFFSET, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    mix(hash)
}

/// The index of the side that `key` belongs to, of sides that have a name and a weight; none if no weight is above zero.
///
/// ```
/// let sides = [("stable", 9.0), ("canary", 1.0)];
/// let key = resilience::key(b"user-7");
/// assert_eq!(resilience::side(&sides, key), resilience::side(&sides, key));
/// assert_eq!(resilience::side(&[("stable", 9.0), ("canary", 0.0)], key), Some(0));
/// ```
pub fn side<N: AsRef<str>>(sides: &[(N, f64)], key: u64) -> Option<usize> {
    let draw = |(index, (name, weight)): (usize, &(N, f64))| {
        let own = mix(key ^ self::key(name.as_ref().as_bytes()));
        (*weight > 0.0).then(|| (-uniform(own).ln() / weight, index))
    };
    let drawn = sides.iter().enumerate().filter_map(draw);
    let first = drawn.min_by(|a, b| a.0.total_cmp(&b.0));
    first.map(|it| it.1)
}

/// Spreads what differs in a few bits over all of them (the finalizer of `SplitMix64`).
fn mix(mut it: u64) -> u64 {
    it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    it ^ (it >> 31)
}

/// A number between 0 and 1, neither of them included.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a float has")]
fn uniform(hash: u64) -> f64 {
    ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}
