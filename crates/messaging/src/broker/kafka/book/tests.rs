//! A partition that is processed out of order, and handed on.

use rdkafka::{Timestamp, message::OwnedMessage};

use super::*;

const LEASE: Duration = Duration::from_mins(1);

fn at() -> At {
    ("topic".to_owned(), 0)
}

fn incoming(wait: Duration) -> Incoming {
    let message = OwnedMessage::new(
        None,
        None,
        "topic".to_owned(),
        Timestamp::NotAvailable,
        0,
        0,
        None,
    );
    Incoming {
        event_id: String::new(),
        attempts: 0,
        wait,
        message,
    }
}

/// A book of one partition, and a counter.
struct Reader {
    book: Book,
    numbers: i64,
}

impl Reader {
    fn open(next: i64, note: &str) -> Self {
        let mut book = Book::default();
        book.open(at(), next, Note::read(note, next));
        Self { book, numbers: 0 }
    }

    fn receive(&mut self, offsets: impl IntoIterator<Item = i64>) {
        for offset in offsets {
            self.book.take_in(&at(), offset, incoming(Duration::ZERO));
        }
    }

    fn claim(&mut self, limit: usize, lease: Duration) -> Vec<Delivery> {
        let numbers = &mut self.numbers;
        let number = || {
            *numbers += 1;
            *numbers
        };
        self.book.claim(limit, lease, number)
    }

    /// What there is to commit: an offset and a note.
    fn commit(&mut self) -> (i64, String) {
        let mut commits = self.book.commits();
        assert_eq!(commits.len(), 1, "{commits:?}");
        let (_, offset, note) = commits.remove(0);
        (offset, note)
    }
}

#[test]
fn an_offset_is_committed_when_everything_before_it_is_done() {
    let mut reader = Reader::open(10, "");
    reader.receive(10..15);
    assert!(reader.book.commits().is_empty(), "nothing was begun");
    let claimed = reader.claim(4, LEASE);
    assert_eq!(reader.commit(), (10, "t0=1,1=1,2=1,3=1".to_owned()));
    reader.book.done(claimed[1].seq);
    reader.book.done(claimed[2].seq);
    assert_eq!(reader.commit(), (10, "t0=1,3=1 d1-2".to_owned()));
    reader.book.done(claimed[0].seq);
    assert_eq!(reader.commit(), (13, "t0=1".to_owned()));
    reader.book.done(claimed[3].seq);
    assert_eq!(reader.commit(), (14, String::new()));
    let last = reader.claim(4, LEASE);
    reader.book.done(last[0].seq);
    assert_eq!(reader.commit(), (15, String::new()));
}

#[test]
fn an_heir_repeats_nothing_that_was_done_and_counts_what_was_begun() {
    let mut reader = Reader::open(10, "t0=1,3=2 d1-2,5-6");
    reader.receive(10..12);
    let first = reader.claim(9, LEASE);
    assert_eq!(first.iter().map(|it| it.attempt).collect::<Vec<_>>(), [2]);
    // What it has not received yet it still knows of.
    assert_eq!(reader.commit(), (10, "t0=2,3=2 d1-1,2-2,5-6".to_owned()));
    reader.receive(12..17);
    let rest = reader.claim(9, LEASE);
    let attempts: Vec<_> = rest.iter().map(|it| it.attempt).collect();
    assert_eq!(attempts, [3, 1]);
    for delivery in first.iter().chain(&rest) {
        reader.book.done(delivery.seq);
    }
    assert_eq!(reader.commit(), (17, String::new()));
}

#[test]
fn what_was_claimed_and_not_begun_was_no_try() {
    let mut reader = Reader::open(0, "");
    reader.receive(0..1);
    let claimed = reader.claim(1, LEASE);
    reader.book.unclaim(&claimed);
    assert!(reader.book.begin_settling(claimed[0].seq).is_none());
    assert_eq!(reader.claim(1, LEASE)[0].attempt, 1);
}

#[test]
fn a_lease_that_has_run_out_was_a_try_unless_it_is_being_settled() {
    let mut reader = Reader::open(0, "");
    reader.receive(0..2);
    let claimed = reader.claim(2, Duration::ZERO);
    assert!(reader.book.begin_settling(claimed[0].seq).is_some());
    assert!(reader.book.begin_settling(claimed[0].seq).is_none(), "once");
    std::thread::sleep(Duration::from_millis(1));
    reader.book.take_back_overdue();
    let again = reader.claim(2, LEASE);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].attempt, 2);
    assert!(reader.book.begin_settling(claimed[1].seq).is_none());
    assert!(reader.book.begin_settling(again[0].seq).is_some());
}

#[test]
fn what_waits_for_its_time_is_in_nobodys_way() {
    let mut reader = Reader::open(0, "");
    let later = incoming(Duration::from_mins(1));
    assert!(reader.book.take_in(&at(), 0, later));
    reader.receive(1..2);
    let claimed = reader.claim(9, LEASE);
    assert_eq!(claimed.len(), 1);
    reader.book.done(claimed[0].seq);
    assert_eq!(reader.commit(), (0, "d1-1".to_owned()));
    assert!(reader.book.next_ready() > Some(Instant::now() + Duration::from_secs(50)));
}

#[test]
fn a_partition_is_let_go_when_nobody_is_at_work_in_it() {
    let mut reader = Reader::open(0, "");
    reader.receive(0..2);
    let claimed = reader.claim(1, LEASE);
    reader.book.leave(&[at()]);
    assert!(!reader.book.is_idle());
    assert!(reader.claim(1, LEASE).is_empty(), "nothing more is begun");
    reader.receive(2..3);
    reader.book.done(claimed[0].seq);
    assert!(reader.book.is_idle());
    assert_eq!(reader.commit(), (1, String::new()), "nothing more is read");
    reader.book.close(&[at()]);
    assert!(reader.claim(1, LEASE).is_empty());
}

#[test]
fn a_partition_that_goes_waits_for_its_own_commits_only() {
    let mut reader = Reader::open(0, "");
    let other = ("topic".to_owned(), 1);
    reader.book.open(other.clone(), 0, Note::default());
    let begin = |book: &mut Book, at: &At, seq| {
        book.take_in(at, 0, incoming(Duration::ZERO));
        book.claim(1, LEASE, || seq)
    };
    begin(&mut reader.book, &other, 1);
    reader.book.leave(&[at()]);
    assert!(reader.book.is_committed(&[other]));
    assert!(!reader.book.is_committed(&[at()]), "one is under way");
    let mut reader = Reader::open(0, "");
    begin(&mut reader.book, &at(), 1);
    reader.book.leave(&[at()]);
    assert!(!reader.book.is_committed(&[]), "it was begun");
    reader.commit();
    assert!(reader.book.is_committed(&[]));
}

#[test]
fn a_crowded_partition_is_not_read_on_until_there_is_room() {
    let mut reader = Reader::open(0, "");
    reader.receive(0..256);
    assert_eq!(reader.book.crowded(), [at()]);
    assert!(reader.book.crowded().is_empty(), "it is said once");
    assert!(reader.book.roomy().is_empty());
    for delivery in reader.claim(128, LEASE) {
        reader.book.done(delivery.seq);
    }
    assert_eq!(reader.book.roomy(), [at()]);
}
