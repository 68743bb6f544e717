-- Events that every process may overhear. They stay for as long as it takes all of them to look, a minute or so; the newest
-- stays until there is a newer one, so that whoever looks again after a pause sees how far the numbers have gone.
CREATE TABLE broadcast (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    -- Milliseconds since 1970.
    told_at BIGINT NOT NULL
);

CREATE INDEX broadcast_by_age ON broadcast (told_at);
