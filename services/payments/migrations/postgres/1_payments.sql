-- What an order has paid and was not given back.
CREATE TABLE captures (
    order_id TEXT PRIMARY KEY,
    amount_cents BIGINT NOT NULL CHECK (amount_cents >= 0)
);

-- Orders that are off: whatever is captured for one of them is given back.
CREATE TABLE cancelled_orders (
    order_id TEXT PRIMARY KEY
);

-- Every effect there was; rows are only ever added. No card number is kept.
CREATE TABLE ledger (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    effect TEXT NOT NULL,
    amount_cents BIGINT NOT NULL
);

CREATE INDEX ledger_by_order ON ledger (order_id, seq);
