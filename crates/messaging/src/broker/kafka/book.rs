//! What one replica has received of its partitions, and what has become of it.
//!
//! Deliveries of a partition are processed side by side and end in any order. An offset is committed when everything before
//! it is done; what is done or begun beyond it is in the [`Note`] that goes with it. A note is committed before a delivery
//! is begun, so that whoever inherits the partition knows of every try, also of one that ended with its process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{message::Incoming, note::Note};
use crate::broker::Delivery;

/// A partition is not read on while so many of its deliveries are here, ...
const CROWDED: usize = 256;
/// ... until there are only so many.
const ROOMY: usize = 128;

/// A topic and a partition of it.
pub(super) type At = (String, i32);

/// What to commit for a partition: an offset, and the note that goes with it.
pub(super) type Commit = (At, i64, String);

/// One partition.
#[derive(Debug)]
struct Ledger {
    /// The offset after the last that was received.
    next: i64,
    /// What was received and is not done.
    open: BTreeMap<i64, Entry>,
    /// What was known of offsets from `next` on before they were received.
    earlier: Note,
    /// Something is to be committed.
    dirty: bool,
    /// Somebody else is to have it: nothing more is begun.
    leaving: bool,
    paused: bool,
}

#[derive(Debug)]
struct Entry {
    incoming: Arc<Incoming>,
    /// How often it was begun, by us or by others.
    begun: i64,
    /// Not to be begun before.
    ready: Instant,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    until: Instant,
    settling: bool,
}

/// All partitions of one replica.
#[derive(Debug, Default)]
pub(super) struct Book {
    ledgers: HashMap<At, Ledger>,
    /// Where what was claimed is, by [`Delivery::seq`].
    claimed: HashMap<i64, (At, i64)>,
}

impl Book {
    /// Opens a partition that is read on from `next`.
    pub(super) fn open(&mut self, at: At, next: i64, earlier: Note) {
        let ledger = Ledger {
            next,
            open: BTreeMap::new(),
            earlier,
            dirty: false,
            leaving: false,
            paused: false,
        };
        self.ledgers.insert(at, ledger);
    }

    /// Takes in what was received; false if it is done already or nobody's here.
    pub(super) fn take_in(&mut self, at: &At, offset: i64, incoming: Incoming) -> bool {
        let ledger = self.ledgers.get_mut(at);
        let Some(ledger) = ledger.filter(|it| !it.leaving && it.next <= offset) else {
            return false;
        };
        ledger.next = offset + 1;
        if ledger.earlier.is_done(offset) {
            return false;
        }
        let entry = Entry {
            begun: ledger.earlier.begun.get(&offset).copied().unwrap_or(0),
            ready: Instant::now() + incoming.wait,
            incoming: Arc::new(incoming),
            held: None,
        };
        ledger.open.insert(offset, entry);
        true
    }

    /// Begins up to `limit` deliveries, those first that have waited longest. They are not to be processed before
    /// what [`Book::commits`] then says is committed.
    pub(super) fn claim(
        &mut self,
        limit: usize,
        lease: Duration,
        mut number: impl FnMut() -> i64,
    ) -> Vec<Delivery> {
        let now = Instant::now();
        let mut ready = Vec::new();
        for (at, ledger) in self.ledgers.iter().filter(|it| !it.1.leaving) {
            for (offset, entry) in &ledger.open {
                if entry.held.is_none() && entry.ready <= now {
                    ready.push((entry.ready, *offset, at));
                }
            }
        }
        ready.sort_unstable();
        ready.truncate(limit);
        let chosen: Vec<(At, i64)> = ready.into_iter().map(|it| (it.2.clone(), it.1)).collect();
        let mut claimed = Vec::with_capacity(chosen.len());
        for (at, offset) in chosen {
            let Some((ledger, entry)) = self.entry(&at, offset) else {
                continue;
            };
            entry.begun += 1;
            entry.held = Some(Held {
                until: now + lease,
                settling: false,
            });
            *ledger = true;
            let delivery = Delivery {
                seq: number(),
                event_id: entry.incoming.event_id.clone(),
                body: entry.incoming.body(),
                attempt: entry.incoming.attempts + entry.begun,
            };
            self.claimed.insert(delivery.seq, (at, offset));
            claimed.push(delivery);
        }
        claimed
    }

    /// The lease of what was claimed begins now.
    pub(super) fn confirm(&mut self, claimed: &[Delivery], lease: Duration) {
        let until = Instant::now() + lease;
        for delivery in claimed {
            if let Some(held) = self.held(delivery.seq) {
                held.until = until;
            }
        }
    }

    /// These were not begun after all.
    pub(super) fn unclaim(&mut self, claimed: &[Delivery]) {
        for delivery in claimed {
            if let Some((at, offset)) = self.claimed.remove(&delivery.seq)
                && let Some((dirty, entry)) = self.entry(&at, offset)
            {
                entry.begun -= 1;
                entry.held = None;
                *dirty = true;
            }
        }
    }

    /// Whoever had these has ended without settling them: they may be claimed again, and that was a try.
    pub(super) fn take_back_overdue(&mut self) {
        let now = Instant::now();
        let mut overdue = Vec::new();
        for (seq, (at, offset)) in &self.claimed {
            let entry = self.ledgers.get(at).and_then(|it| it.open.get(offset));
            let held = entry.and_then(|it| it.held.as_ref());
            if held.is_none_or(|it| !it.settling && it.until < now) {
                overdue.push(*seq);
            }
        }
        for seq in overdue {
            self.put_back(seq);
        }
    }

    /// What is to be settled, and which try it was; nothing if it is not the caller's any more.
    pub(super) fn begin_settling(&mut self, seq: i64) -> Option<(Arc<Incoming>, i64)> {
        let (at, offset) = self.claimed.get(&seq)?.clone();
        let (_, entry) = self.entry(&at, offset)?;
        let held = entry.held.as_mut().filter(|it| !it.settling)?;
        held.settling = true;
        Some((
            Arc::clone(&entry.incoming),
            entry.incoming.attempts + entry.begun,
        ))
    }

    /// It is done, in this partition.
    pub(super) fn done(&mut self, seq: i64) {
        if let Some((at, offset)) = self.claimed.remove(&seq)
            && let Some(ledger) = self.ledgers.get_mut(&at)
        {
            ledger.open.remove(&offset);
            ledger.dirty = true;
        }
    }

    /// It could not be settled, and may be claimed again.
    pub(super) fn put_back(&mut self, seq: i64) {
        if let Some((at, offset)) = self.claimed.remove(&seq)
            && let Some((_, entry)) = self.entry(&at, offset)
        {
            entry.held = None;
            entry.ready = Instant::now();
        }
    }

    /// What is to be committed and was not asked for yet.
    pub(super) fn commits(&mut self) -> Vec<Commit> {
        let mut commits = Vec::new();
        for (at, ledger) in self.ledgers.iter_mut().filter(|it| it.1.dirty) {
            ledger.dirty = false;
            let offset = ledger.committed();
            commits.push((at.clone(), offset, ledger.note().write(offset)));
        }
        commits
    }

    /// These were not committed.
    pub(super) fn again(&mut self, commits: &[At]) {
        for at in commits {
            if let Some(ledger) = self.ledgers.get_mut(at) {
                ledger.dirty = true;
            }
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.ledgers.values().any(|it| it.dirty)
    }

    /// Nothing more is begun in these partitions.
    pub(super) fn leave(&mut self, partitions: &[At]) {
        for at in partitions {
            if let Some(ledger) = self.ledgers.get_mut(at) {
                ledger.leaving = true;
            }
        }
    }

    /// Nothing more is begun.
    pub(super) fn leave_all(&mut self) {
        self.ledgers.values_mut().for_each(|it| it.leaving = true);
    }

    /// Whether nobody is at work in the partitions that are to go to somebody else.
    pub(super) fn is_idle(&self) -> bool {
        let leaving = self.ledgers.values().filter(|it| it.leaving);
        let mut open = leaving.flat_map(|it| it.open.values());
        open.all(|it| it.held.is_none())
    }

    /// Whether all that is known of those partitions is committed, `under_way` not being there yet. Others have no end of commits
    /// while there is a backlog.
    pub(super) fn is_committed(&self, under_way: &[At]) -> bool {
        let mut leaving = self.ledgers.iter().filter(|it| it.1.leaving);
        leaving.all(|(at, ledger)| !ledger.dirty && !under_way.contains(at))
    }

    /// Forgets partitions, and says which of them were not being read on.
    pub(super) fn close(&mut self, partitions: &[At]) -> Vec<At> {
        let mut paused = Vec::new();
        for at in partitions {
            if self.ledgers.remove(at).is_some_and(|it| it.paused) {
                paused.push(at.clone());
            }
        }
        self.claimed.retain(|_, it| !partitions.contains(&it.0));
        paused
    }

    /// Partitions that should not be read on for now.
    pub(super) fn crowded(&mut self) -> Vec<At> {
        self.pause(true, |it| it.open.len() >= CROWDED)
    }

    /// Partitions that may be read on.
    pub(super) fn roomy(&mut self) -> Vec<At> {
        self.pause(false, |it| it.open.len() <= ROOMY)
    }

    fn pause(&mut self, paused: bool, wanted: impl Fn(&Ledger) -> bool) -> Vec<At> {
        let differ = |it: &&mut Ledger| it.paused != paused && wanted(it);
        let mut changed = Vec::new();
        for (at, ledger) in &mut self.ledgers {
            if differ(&&mut *ledger) {
                ledger.paused = paused;
                changed.push(at.clone());
            }
        }
        changed
    }

    /// When the next delivery may be claimed that waits for its time.
    pub(super) fn next_ready(&self) -> Option<Instant> {
        let ledgers = self.ledgers.values().filter(|it| !it.leaving);
        let entries = ledgers.flat_map(|it| it.open.values());
        let waiting = entries.filter(|it| it.held.is_none());
        waiting.map(|it| it.ready).min()
    }

    /// Whether its ledger is dirty, and the entry.
    fn entry(&mut self, at: &At, offset: i64) -> Option<(&mut bool, &mut Entry)> {
        let ledger = self.ledgers.get_mut(at)?;
        Some((&mut ledger.dirty, ledger.open.get_mut(&offset)?))
    }

    fn held(&mut self, seq: i64) -> Option<&mut Held> {
        let (at, offset) = self.claimed.get(&seq)?.clone();
        self.entry(&at, offset)?.1.held.as_mut()
    }
}

impl Ledger {
    /// Everything before this is done.
    fn committed(&self) -> i64 {
        self.open.keys().next().copied().unwrap_or(self.next)
    }

    fn note(&self) -> Note {
        let mut note = Note::default();
        let mut from = self.committed();
        for (offset, entry) in &self.open {
            if from < *offset {
                note.done.push((from, offset - 1));
            }
            from = offset + 1;
            if entry.begun > 0 {
                note.begun.insert(*offset, entry.begun);
            }
        }
        if from < self.next {
            note.done.push((from, self.next - 1));
        }
        for (first, last) in &self.earlier.done {
            if *last >= self.next {
                note.done.push((*first.max(&self.next), *last));
            }
        }
        note.begun.extend(self.earlier.begun.range(self.next..));
        note
    }
}

#[cfg(test)]
mod tests;
