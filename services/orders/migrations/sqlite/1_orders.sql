CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'confirmed', 'cancelled')),
    reason TEXT,
    -- JSON: products, units, and the prices of the moment.
    items TEXT NOT NULL,
    total_cents BIGINT NOT NULL,
    -- Milliseconds since 1970.
    created_at BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    -- The request that placed it, so that its whole saga is one trace even where a timeout ends it.
    traceparent TEXT,
    tracestate TEXT,
    request_id TEXT
);

CREATE INDEX orders_by_user ON orders (user_id, id);
CREATE INDEX orders_by_deadline ON orders (deadline) WHERE status = 'pending';

-- What was answered to a key, so that the same request again is answered the same.
CREATE TABLE idempotency (
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_by_age ON idempotency (created_at);
