CREATE TABLE stock (
    product_id TEXT PRIMARY KEY,
    initial BIGINT NOT NULL,
    on_hand BIGINT NOT NULL CHECK (on_hand >= 0),
    reserved BIGINT NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND on_hand)
);

-- What is put aside now.
CREATE TABLE reservations (
    order_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
);

-- Orders that are off: should one of them be placed later, because events overtook each other, nothing is put aside.
CREATE TABLE cancelled_orders (
    order_id TEXT PRIMARY KEY
);

-- Every effect there was; rows are only ever added.
CREATE TABLE ledger (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    effect TEXT NOT NULL,
    quantity BIGINT NOT NULL
);

CREATE INDEX ledger_by_order ON ledger (order_id, seq);
