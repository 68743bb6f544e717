//! What this machine and its processes did meanwhile, as checks.

use crate::{
    judge::validity,
    processors::Processors,
    side_by_side::Shop,
    verdict::{Check, Group, Outcome},
};

/// What the shops are called, in files and request ids too.
pub(super) const NAMES: [&str; 2] = ["A", "B"];

/// From now on.
pub(super) struct Machine(Option<Processors>);

impl Machine {
    pub(super) fn now() -> Self {
        Self(Processors::now())
    }

    /// The share of processor time that other machines have taken since, from 0 to 1, where the kernel tells.
    pub(super) fn stolen(&self) -> Option<f64> {
        Some(Processors::now()?.stolen_since(self.0?))
    }
}

/// Whether all processes were there to the end, and had the machine to themselves.
pub(super) fn checks(shops: &[Shop; 2], stolen: Option<f64>) -> Vec<Check> {
    let died = shops.each_ref().map(|it| it.deployment.incidents());
    let died = died.map(|it| it.into_iter().map(|it| it.text).collect());
    let lived = NAMES
        .into_iter()
        .zip(died)
        .map(|(name, died)| lived(name, died));
    lived.chain(stolen.map(validity::stolen)).collect()
}

/// Whether all processes of a shop were there to the end. With those of A what B is compared with is gone, and nothing is shown.
fn lived(name: &str, died: Vec<String>) -> Check {
    let outcome = match (died.len(), name) {
        (0, _) => Outcome::Pass,
        (_, "B") => Outcome::Fail,
        _ => Outcome::Invalid,
    };
    Check::new(Group::Validity, format!("{name}: no process died"), outcome)
        .saw(format!("{} died", died.len()), "none died")
        .because(died)
}
