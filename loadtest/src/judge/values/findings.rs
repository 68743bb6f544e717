//! What does not agree, put together by what it is about, however often it occurs.

use std::collections::BTreeMap;

use crate::{
    statistics::grouped,
    verdict::{Check, Group, Outcome},
};

/// How many request ids are kept of one kind of finding.
const NAMED: usize = 5;
/// How many kinds of findings a check tells of.
const TOLD: usize = 12;

/// What a rule found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    looked: u64,
    found: BTreeMap<String, Finding>,
}

#[derive(Debug)]
struct Finding {
    count: u64,
    example: String,
    request_ids: Vec<String>,
}

impl Findings {
    /// One more thing was looked at.
    pub(super) fn look(&mut self) {
        self.looked += 1;
    }

    /// What is wrong `about` a signal or series; what each side `said` is kept of the first of its kind.
    pub(super) fn add(&mut self, about: String, request_id: &str, said: impl FnOnce() -> String) {
        let finding = self.found.entry(about).or_insert_with(|| Finding {
            count: 0,
            example: said(),
            request_ids: Vec::new(),
        });
        finding.count += 1;
        if finding.request_ids.len() < NAMED && !request_id.is_empty() {
            finding.request_ids.push(request_id.to_owned());
        }
    }

    /// The same of a series with samples of several requests.
    pub(super) fn add_series(&mut self, about: &str, request_ids: &[String], said: String) {
        self.add(about.to_owned(), "", || said);
        if let Some(finding) = self.found.get_mut(about)
            && finding.request_ids.is_empty()
        {
            let named = request_ids.iter().filter(|it| !it.is_empty()).take(NAMED);
            finding.request_ids = named.cloned().collect();
        }
    }

    /// The check that holds if nothing was found.
    pub(super) fn into_check(self, name: &str, looked_at: &str, expected: &str) -> Check {
        let outcome = Outcome::pass_or_fail(self.found.is_empty());
        let wrong: u64 = self.found.values().map(|it| it.count).sum();
        let mut observed = format!("{} {looked_at}", grouped(self.looked));
        if wrong > 0 {
            observed = format!("{observed}, {} disagree", grouped(wrong));
        }
        let mut check = Check::new(Group::Reconciliation, name, outcome).saw(observed, expected);
        let more = self.found.len().saturating_sub(TOLD);
        for (about, it) in self.found.into_iter().take(TOLD) {
            let requests = match &it.request_ids[..] {
                [] => String::new(),
                [one] => format!("; request {one}"),
                several => format!("; requests {}", several.join(", ")),
            };
            let text = format!("{about}: {}{requests}", it.example);
            check.details.push(match it.count {
                1 => text,
                count => format!("{text} ({} of these)", grouped(count)),
            });
            check.request_ids.extend(it.request_ids);
        }
        if more > 0 {
            check.details.push(format!("and {more} more kinds"));
        }
        check.request_ids.truncate(2 * NAMED);
        check
    }
}
