-- Words are cut and folded by the service (src/text/words.rs), the same way for texts and for what is asked; FTS5 only splits
-- them at spaces and stems those that are English. So the texts themselves are kept here.
CREATE TABLE descriptions (
    number INTEGER PRIMARY KEY,
    description TEXT NOT NULL
);

INSERT INTO descriptions (number, description) SELECT rowid, description FROM texts;

DROP TABLE texts;

CREATE VIRTUAL TABLE texts USING fts5 (
    name, category, description, content = '', contentless_delete = 1, tokenize = 'porter ascii'
);

-- The form of what is in `texts` and `words`. A service that makes words of another form writes both anew when it starts.
CREATE TABLE form (
    number BIGINT NOT NULL
);

INSERT INTO form (number) VALUES (0);
