//! What was seen and decided, for people and for the report.

use std::{
    fmt,
    fs::File,
    io::Write as _,
    path::Path,
    time::{Instant, SystemTime},
};

use anyhow::Context as _;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::count::Counts;
use crate::deployment::Service;

/// How a trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It did worse, and in what.
    RolledBack(&'static str),
    /// It did no worse, and all replicas are of its version now.
    Promoted,
    /// It did no worse, and was of the version that serves.
    NothingNew,
    /// It was not asked often enough.
    Undecided,
}

/// All of them as metrics name them.
pub(super) const NAMES: [&str; 4] = ["rolled_back", "promoted", "nothing_new", "undecided"];

impl Decision {
    /// As metrics name it.
    pub(crate) fn name(self) -> &'static str {
        let [rolled_back, promoted, nothing_new, undecided] = NAMES;
        match self {
            Self::RolledBack(_) => rolled_back,
            Self::Promoted => promoted,
            Self::NothingNew => nothing_new,
            Self::Undecided => undecided,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack(why) => write!(f, "rolled back: {why}"),
            Self::Promoted => f.write_str("promoted"),
            Self::NothingNew => f.write_str("nothing new: no difference found"),
            Self::Undecided => f.write_str("undecided: too few attempts"),
        }
    }
}

/// What was known at one look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    pub(crate) service: Service,
    pub(crate) version: &'static str,
    pub(crate) canary: Counts,
    pub(crate) baseline: Counts,
    /// That the canary fails more often, and that it is slow more often.
    pub(crate) evidence: [f64; 2],
    pub(crate) decision: Option<Decision>,
}

impl Look {
    /// In one sentence.
    pub(crate) fn sentence(&self) -> String {
        let decision = self
            .decision
            .map_or_else(|| "watched".to_owned(), |it| it.to_string());
        let told = |it: Counts| {
            let Counts {
                attempts,
                failed,
                slow,
            } = it;
            format!("{attempts} attempts, {failed} failed, {slow} slow")
        };
        format!(
            "canary of {} {decision}: {}; baseline {}; evidence of errors {:.3}, of slowness {:.3}",
            self.service,
            told(self.canary),
            told(self.baseline),
            self.evidence[0],
            self.evidence[1],
        )
    }
}

/// A trial that is over.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) decision: Decision,
    /// When both were found.
    pub(crate) began: Instant,
    pub(crate) decided: Instant,
    /// When it had been carried out.
    pub(crate) ended: Instant,
    /// What was known when it was decided.
    pub(crate) last: Look,
}

/// Where every look is a line.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    /// Goes on with the file at `path`.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        Ok(Self(
            file.with_context(|| format!("open {}", path.display()))?,
        ))
    }

    /// Writes a line, in the form of those that services write.
    pub(crate) fn write(&mut self, it: &Look) -> anyhow::Result<()> {
        let now = OffsetDateTime::from(SystemTime::now()).format(&Rfc3339);
        let line = json!({
            "@timestamp": now?,
            "log.level": "info",
            "message": it.sentence(),
            "service.name": "canary",
            "labels": {
                "service": it.service.name(),
                "version": it.version,
                "decision": it.decision.map(Decision::name),
            },
        });
        writeln!(self.0, "{line}").context("write logs/canary.log")
    }
}
