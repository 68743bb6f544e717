//! What a replica has of one queue: a member of the group, and the book of what it received.

use std::{
    mem::take,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _},
    error::{KafkaResult, RDKafkaErrorCode},
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    book::{At, Book},
    member::Member,
    message::Incoming,
    settings::CALL_TIMEOUT,
};
use crate::broker::{Delivery, LEASE};

/// Why something was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The partition is about to be somebody else's, or is already.
    NotOurs,
    /// The server does not answer, or not as it should.
    Away,
}

pub(super) struct Feed {
    /// Gone once it has left.
    member: Mutex<Option<Arc<Member>>>,
    state: Mutex<State>,
    /// To the thread that commits: librdkafka says only to who waits for it whether a commit succeeded.
    commits: mpsc::Sender<Job>,
    /// Something may be claimed.
    pub(super) arrived: Notify,
    /// Something was settled or committed.
    pub(super) settled: Notify,
    pub(super) phase: watch::Sender<Phase>,
    /// It is to leave.
    leaving: AtomicBool,
}

/// How far it is with being a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Joining,
    /// It has been given partitions.
    Joined,
    /// The group knows that it is gone.
    Left,
}

/// A commit to be made.
struct Job {
    feed: Arc<Feed>,
    member: Arc<Member>,
    offsets: TopicPartitionList,
}

#[derive(Default)]
struct State {
    book: Book,
    /// What the commit under way is for. There is never more than one, so that none overtakes another.
    committing: Option<Vec<At>>,
    /// Who waits for it, ...
    waiting: Vec<oneshot::Sender<Result<(), Fault>>>,
    /// ... and who waits for the one after it.
    next: Vec<oneshot::Sender<Result<(), Fault>>>,
}

impl Feed {
    pub(super) fn new(member: Arc<Member>) -> Self {
        let (commits, jobs) = mpsc::channel::<Job>();
        // It ends with the feed.
        thread::spawn(move || {
            for Job {
                feed,
                member,
                offsets,
            } in jobs
            {
                let result = member.commit(&offsets, CommitMode::Sync);
                drop(member);
                feed.committed(result);
            }
        });
        Self {
            member: Mutex::new(Some(member)),
            state: Mutex::default(),
            commits,
            arrived: Notify::new(),
            settled: Notify::new(),
            phase: watch::Sender::new(Phase::Joining),
            leaving: AtomicBool::new(false),
        }
    }

    pub(super) fn member(&self) -> Option<Arc<Member>> {
        let member = self.member.lock();
        member.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The member, which nobody gets from here any more.
    pub(super) fn take_member(&self) -> Option<Arc<Member>> {
        let mut member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
        member.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into the book, or writes there.
    pub(super) fn book<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.state().book)
    }

    /// Begins up to `limit` deliveries; that they were begun is committed when this returns.
    pub(super) async fn claim(
        self: &Arc<Self>,
        limit: usize,
        number: impl FnMut() -> i64,
    ) -> Result<Vec<Delivery>, Fault> {
        let claimed = self.book(|book| {
            book.take_back_overdue();
            book.claim(limit, LEASE + CALL_TIMEOUT, number)
        });
        if claimed.is_empty() {
            return Ok(claimed);
        }
        if let Err(fault) = self.commit().await {
            self.book(|book| book.unclaim(&claimed));
            return match fault {
                Fault::NotOurs => Ok(Vec::new()),
                Fault::Away => Err(fault),
            };
        }
        self.book(|book| book.confirm(&claimed, LEASE));
        Ok(claimed)
    }

    /// What is to be settled, and which try it was.
    pub(super) fn begin_settling(&self, seq: i64) -> Option<(Arc<Incoming>, i64)> {
        self.book(|book| book.begin_settling(seq))
    }

    /// It is done, which is committed soon.
    pub(super) fn done(self: &Arc<Self>, seq: i64) {
        self.book(|book| book.done(seq));
        self.commit_rest();
        self.settled.notify_one();
    }

    /// It is done; when this returns that is committed, or the partition is somebody else's.
    pub(super) async fn done_for_sure(self: &Arc<Self>, seq: i64) -> Result<(), Fault> {
        self.book(|book| book.done(seq));
        let committed = self.commit().await;
        self.settled.notify_one();
        match committed {
            Err(Fault::NotOurs) => Ok(()),
            other => other,
        }
    }

    /// Commits what the book says now.
    async fn commit(self: &Arc<Self>) -> Result<(), Fault> {
        let (waiting, committed) = oneshot::channel();
        {
            let mut state = self.state();
            state.next.push(waiting);
            if state.committing.is_none() {
                self.commit_next(&mut state);
            }
        }
        match timeout(CALL_TIMEOUT, committed).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Fault::NotOurs),
            Err(_) => Err(Fault::Away),
        }
    }

    fn commit_next(self: &Arc<Self>, state: &mut State) {
        let commits = state.book.commits();
        let waiting = take(&mut state.next);
        if commits.is_empty() {
            tell(waiting, Ok(()));
            return;
        }
        let mut list = TopicPartitionList::with_capacity(commits.len());
        let partitions: Vec<At> = commits.iter().map(|it| it.0.clone()).collect();
        for ((topic, partition), offset, note) in commits {
            let mut element = list.add_partition(&topic, partition);
            element.set_metadata(note);
            let set = element.set_offset(Offset::Offset(offset));
            set.expect("every number is an offset");
        }

        let Some(member) = self.member() else {
            tell(waiting, Err(Fault::NotOurs));
            return;
        };
        state.committing = Some(partitions);
        state.waiting = waiting;
        let job = Job {
            feed: Arc::clone(self),
            member,
            offsets: list,
        };
        // The thread ends only with the feed.
        _ = self.commits.send(job);
    }

    /// The commit under way has ended.
    fn committed(self: &Arc<Self>, result: KafkaResult<()>) {
        let mut state = self.state();
        let partitions = state.committing.take().unwrap_or_default();
        let result = result.map_err(|error| {
            state.book.again(&partitions);
            let fault = fault(error.rdkafka_error_code());
            tracing::debug!(%error, ?fault, "offset commit failed");
            fault
        });
        tell(take(&mut state.waiting), result);
        // One that failed is made again with the next tick.
        if !state.next.is_empty() || (result.is_ok() && state.book.is_dirty()) {
            self.commit_next(&mut state);
        }
        drop(state);
        self.settled.notify_one();
    }

    /// Commits what was not committed before, if nobody does.
    pub(super) fn commit_rest(self: &Arc<Self>) {
        let mut state = self.state();
        if state.committing.is_none() && state.book.is_dirty() {
            self.commit_next(&mut state);
        }
    }

    /// Whether all that is known of the partitions that are to go is committed.
    pub(super) fn is_committed(&self) -> bool {
        let state = self.state();
        let under_way = state.committing.as_deref().unwrap_or_default();
        state.book.is_committed(under_way)
    }

    /// Waits until it is so far, but not for long.
    pub(super) async fn reach(&self, phase: Phase) {
        let mut reached = self.phase.subscribe();
        let reached = reached.wait_for(|it| *it >= phase);
        _ = timeout(CALL_TIMEOUT, reached).await;
    }

    /// It is to leave.
    pub(super) fn begin_no_more(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.book(Book::leave_all);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// If it is to leave and nothing is left to do, waits until the group knows, so that the process may end.
    pub(super) async fn leave_if_idle(&self) {
        if self.is_leaving() && self.book(|book| book.is_idle()) {
            self.reach(Phase::Left).await;
        }
    }

    /// Waits until something may be claimed, but no longer than `limit`.
    pub(super) async fn wait(&self, limit: Duration) {
        let limit = Instant::now() + limit;
        let ready = self.book(|book| book.next_ready());
        // What is ready already could not be begun a moment ago.
        let ready = ready
            .map(Instant::from_std)
            .filter(|it| *it > Instant::now());
        let until = ready.map_or(limit, |it| it.min(limit));
        tokio::select! {
            () = self.arrived.notified() => (),
            () = sleep_until(until) => (),
        }
    }
}

fn tell(waiting: Vec<oneshot::Sender<Result<(), Fault>>>, result: Result<(), Fault>) {
    for it in waiting {
        // Who has waited long enough listens no more.
        _ = it.send(result);
    }
}

fn fault(code: Option<RDKafkaErrorCode>) -> Fault {
    match code {
        Some(
            RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::FencedMemberEpoch
            | RDKafkaErrorCode::StaleMemberEpoch
            | RDKafkaErrorCode::UnknownTopicOrPartition,
        ) => Fault::NotOurs,
        _ => Fault::Away,
    }
}
