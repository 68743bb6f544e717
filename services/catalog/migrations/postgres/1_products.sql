CREATE TABLE products (
    -- Compared by byte, as cursors are, whatever the language of the database.
    id TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    price_cents BIGINT NOT NULL CHECK (price_cents > 0)
);

CREATE INDEX products_by_category ON products (category, id);
