//! The less loaded of two chosen at random.
//!
//! It spreads requests nearly as well as knowing the least loaded of all, and where many choose at once it does not send them all to the
//! same one (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
//!
//! Weighed: tower's `balance::p2c` is the same, around services that are polled until ready, which replicas behind a shared client are not.

/// The index of the less loaded of two different ones; none where there are none. `below` gives a random index below a count.
///
/// ```
/// let loads = [7, 2, 5];
/// let first = |_: usize| 0; // picks 0, and then the first of the others
/// assert_eq!(resilience::pick(&loads, first), Some(1));
/// ```
pub fn pick<L: PartialOrd>(loads: &[L], mut below: impl FnMut(usize) -> usize) -> Option<usize> {
    match loads.len() {
        0 => None,
        1 => Some(0),
        count => {
            let first = below(count).min(count - 1);
            let second = below(count - 1).min(count - 2);
            let second = second + usize::from(second >= first);
            Some(if loads[second] < loads[first] {
                second
            } else {
                first
            })
        }
    }
}
