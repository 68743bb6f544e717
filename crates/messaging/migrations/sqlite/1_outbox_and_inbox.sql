-- Events that are committed with what they tell of, until the broker has them.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    -- Milliseconds since 1970: a replica that claimed the row has until then to hand it over.
    claimed_until BIGINT NOT NULL DEFAULT 0
);

-- Events whose effect is committed.
CREATE TABLE inbox (
    event_id TEXT PRIMARY KEY,
    processed_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX inbox_by_age ON inbox (processed_at);
