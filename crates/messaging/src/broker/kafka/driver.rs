//! What keeps a feed going: takes in what is received, and answers the server.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    book::{At, Book},
    feed::{Feed, Phase},
    member::{Change, Member},
    message::Incoming,
    note::Note,
    settings::CALL_TIMEOUT,
};

/// How often to look for what nobody tells: leases that ran out, commits that failed.
const TICK: Duration = Duration::from_millis(100);

/// The wait of a member that the server will not have, before another one tries.
const REJOIN: Duration = Duration::from_secs(2);

/// A member that lives for longer is not one that the server will not have.
const ACCEPTED: Duration = Duration::from_secs(10);

/// What is asked of a driver.
#[derive(Debug)]
pub(super) enum Order {
    /// Begin nothing more, and leave the group when everything begun is settled.
    Leave,
}

pub(super) struct Driver {
    feed: Arc<Feed>,
    member: Arc<Member>,
    /// What the server wants, ...
    wanted: mpsc::UnboundedReceiver<Change>,
    /// Nobody needs the feed any more when this is closed.
    orders: mpsc::UnboundedReceiver<Order>,
    /// ... and what of it is not done yet; the first is being worked on.
    changes: VecDeque<Change>,
    /// Set while the server will not have this member.
    unreadable: Arc<AtomicBool>,
    /// The committed offsets of the partitions to take.
    asking: Option<JoinHandle<KafkaResult<TopicPartitionList>>>,
}

impl Driver {
    pub(super) fn new(
        feed: Arc<Feed>,
        member: Arc<Member>,
        wanted: mpsc::UnboundedReceiver<Change>,
        orders: mpsc::UnboundedReceiver<Order>,
        unreadable: Arc<AtomicBool>,
    ) -> Self {
        Self {
            feed,
            member,
            wanted,
            orders,
            changes: VecDeque::new(),
            unreadable,
            asking: None,
        }
    }

    /// Goes on until nobody needs the feed any more, then leaves the group.
    pub(super) async fn run(mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (member, born) = (Arc::clone(&self.member), Instant::now());
        loop {
            tokio::select! {
                received = member.recv() => match received {
                    Ok(message) => self.take_in(&message),
                    Err(error) => {
                        let fatal = member.client().fatal_error();
                        if fatal.is_some() || is_forbidden(&error) {
                            tracing::error!(%error, ?fatal, "queue unreadable; rejoining the consumer group");
                            self.unreadable.store(true, Ordering::Relaxed);
                            sleep(REJOIN).await;
                            break;
                        }
                        // It goes on by itself.
                        tracing::debug!(%error, "receive failed; the client retries");
                    }
                },
                Some(change) = self.wanted.recv() => self.changes.push_back(change),
                order = self.orders.recv() => match order {
                    Some(Order::Leave) => self.feed.begin_no_more(),
                    None => break,
                },
                () = self.feed.settled.notified() => (),
                known = known(&mut self.asking) => self.take(known),
                _ = tick.tick() => {
                    self.feed.book(Book::take_back_overdue);
                    self.feed.commit_rest();
                    // One of more members than partitions is given nothing, and yet is one.
                    if born.elapsed() > ACCEPTED {
                        self.unreadable.store(false, Ordering::Relaxed);
                    }
                }
            }
            self.work_on_changes();
            self.read_on();
            if self.feed.is_leaving() && self.is_idle() {
                break;
            }
        }
        drop(member);
        self.leave().await;
    }

    fn take_in(&self, message: &BorrowedMessage<'_>) {
        let at = (message.topic().to_owned(), message.partition());
        let (offset, incoming) = (message.offset(), Incoming::new(message));
        if self.feed.book(|book| book.take_in(&at, offset, incoming)) {
            self.feed.arrived.notify_one();
        }
    }

    /// Reads no more of a partition than can be worked on soon.
    fn read_on(&self) {
        let (crowded, roomy) = self.feed.book(|book| (book.crowded(), book.roomy()));
        self.pause(&crowded, true);
        self.pause(&roomy, false);
    }

    fn pause(&self, partitions: &[At], pause: bool) {
        if partitions.is_empty() {
            return;
        }
        let list = list(partitions);
        let done = if pause {
            self.member.pause(&list)
        } else {
            self.member.resume(&list)
        };
        if let Err(error) = done {
            tracing::warn!(%error, pause, "partitions not paused or resumed");
        }
    }

    fn work_on_changes(&mut self) {
        match self.changes.front() {
            Some(Change::Assigned(partitions)) if self.asking.is_none() => {
                let (member, partitions) = (Arc::clone(&self.member), partitions.clone());
                let ask = move || {
                    let known = member.committed_offsets(partitions, CALL_TIMEOUT);
                    let known = known.and_then(|it| {
                        let failed = it.elements().iter().find_map(|it| it.error().err());
                        failed.map_or(Ok(it), Err)
                    });
                    // They are asked for again, but not without a pause.
                    known.inspect_err(|_| thread::sleep(TICK))
                };
                self.asking = Some(spawn_blocking(ask));
            }
            Some(Change::Revoked(partitions)) => {
                let partitions = partitions.clone();
                self.give_up(partitions);
            }
            _ => (),
        }
    }

    /// Opens the partitions that were assigned, where whoever had them before stopped.
    fn take(&mut self, known: KafkaResult<TopicPartitionList>) {
        let mut known = match known {
            Ok(known) => known,
            Err(error) => {
                // They are asked for again.
                tracing::warn!(%error, "committed offsets not fetched; retrying");
                return;
            }
        };
        let partitions: Vec<(At, Offset, Note)> = known.elements().iter().map(read).collect();
        for ((topic, partition), offset, note) in partitions {
            let (next, from) = match offset {
                Offset::Offset(next) => (next, offset),
                _ => (0, Offset::Beginning),
            };
            if let Err(error) = known.set_partition_offset(&topic, partition, from) {
                tracing::error!(%error, topic, partition, "starting offset not set");
            }
            self.feed
                .book(|book| book.open((topic, partition), next, note));
        }
        if self.feed.is_leaving() {
            self.feed.begin_no_more();
        }
        self.changes.pop_front();
        self.unreadable.store(false, Ordering::Relaxed);
        self.member.answer(&Change::Assigned(known));
        self.feed.phase.send_replace(Phase::Joined);
    }

    /// Lets go of partitions as soon as nobody is at work there and all of it is committed.
    fn give_up(&mut self, partitions: TopicPartitionList) {
        let ours: Vec<At> = partitions.elements().iter().map(at).collect();
        self.feed.book(|book| book.leave(&ours));
        // Somebody else has them already.
        let lost = self.member.assignment_lost();
        if !lost && !self.is_idle() {
            return;
        }
        let paused = self.feed.book(|book| book.close(&ours));
        // librdkafka would remember it, and not read them when they come back.
        self.pause(&paused, false);
        self.changes.pop_front();
        self.member.answer(&Change::Revoked(partitions));
    }

    fn is_idle(&self) -> bool {
        if !self.feed.book(|book| book.is_idle()) {
            return false;
        }
        self.feed.commit_rest();
        self.feed.is_committed()
    }

    async fn leave(self) {
        let (feed, member) = (Arc::clone(&self.feed), self.feed.take_member());
        drop(self);
        // It tells the group, and waits for its threads.
        let left = spawn_blocking(move || drop(member)).await;
        if let Err(error) = left {
            tracing::warn!(%error, "consumer group not left");
        }
        feed.phase.send_replace(Phase::Left);
    }
}

/// Whether it is the group or a topic of it that we may not read. librdkafka says so once, and goes on in vain.
fn is_forbidden(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed
        )
    )
}

/// Waits for the answer, if there was a question.
async fn known(
    asking: &mut Option<JoinHandle<KafkaResult<TopicPartitionList>>>,
) -> KafkaResult<TopicPartitionList> {
    let Some(question) = asking else {
        return std::future::pending().await;
    };
    let answer = question.await;
    *asking = None;
    answer.unwrap_or(Err(KafkaError::Canceled))
}

fn at(element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> At {
    (element.topic().to_owned(), element.partition())
}

fn read(element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> (At, Offset, Note) {
    let note = match element.offset() {
        Offset::Offset(offset) => Note::read(element.metadata(), offset),
        _ => Note::default(),
    };
    (at(element), element.offset(), note)
}

fn list(partitions: &[At]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    list
}
