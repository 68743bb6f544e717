-- What a search reads of every product that matches. Narrow: the texts are elsewhere, under the same number.
CREATE TABLE products (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    price_cents BIGINT NOT NULL
);

-- Answers facets and price filters of a search without words from the index alone.
CREATE INDEX products_by_category ON products (category, price_cents);

-- Case and accents do not count, and words are cut to their stem: "hiking" finds "hike".
CREATE VIRTUAL TABLE texts USING fts5 (
    name, category, description, tokenize = 'porter unicode61 remove_diacritics 2'
);

-- Every word as it is written, for completion and correction; the stems in `texts` can serve neither.
CREATE TABLE words (
    word TEXT PRIMARY KEY,
    -- Backwards, to look for words by their end.
    reversed TEXT NOT NULL,
    -- How many products have it.
    products BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX words_by_end ON words (reversed);
