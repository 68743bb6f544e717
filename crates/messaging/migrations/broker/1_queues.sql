-- One row for each queue that an event was put into.
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    event_id TEXT NOT NULL,
    body TEXT NOT NULL,
    -- Deliveries so far; also tells whether whoever settles a message still holds it.
    attempts BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970: from when on it may be delivered (again).
    visible_at BIGINT NOT NULL
);

CREATE INDEX messages_by_queue ON messages (queue, visible_at, seq);

CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    event_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    reason TEXT NOT NULL,
    died_at BIGINT NOT NULL
);
