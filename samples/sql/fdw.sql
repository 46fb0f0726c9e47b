-- What sql/fdw.sql reads: a few people and orders, and columns for each rule of pushdown.

CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    city TEXT COLLATE NOCASE,
    age INTEGER,
    height REAL,
    born DATE,
    photo BLOB
);
INSERT INTO people VALUES
    (1, 'Ada', 'London', 36, 1.65, '1815-12-10', x'00ff'),
    (2, 'Blaise', 'Paris', 39, 1.7, '1623-06-19', NULL),
    (3, 'Carl', 'göttingen', 77, NULL, '1777-04-30', x''),
    (4, 'Emmy', 'Göttingen', 53, 1.62, '1882-03-23', x'01'),
    (7, 'Sofia', NULL, 41, 1.6, '1850-01-15', NULL),
    (-5, 'ada', 'PARIS', NULL, NULL, NULL, NULL);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    person INTEGER REFERENCES people (id),
    code TEXT UNIQUE,
    amount DECIMAL(10,2),
    ordered_at DATETIME
);
CREATE INDEX orders_person ON orders (person);
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO orders
SELECT i, i % 1000, printf('C%05d', i), i * 0.25,
       datetime('2024-01-01', printf('+%d minutes', i))
FROM n;

-- no rowid, a key of two columns
CREATE TABLE words (
    word TEXT,
    lang TEXT,
    meaning TEXT,
    PRIMARY KEY (word, lang)
) WITHOUT ROWID;
INSERT INTO words VALUES
    ('gift', 'de', 'poison'), ('gift', 'en', 'present'),
    ('', 'en', 'nothing'), ('it''s "x" \ y', 'en', 'quotes');

-- the same numbers under each affinity
CREATE TABLE affinities (
    id INTEGER PRIMARY KEY,
    i INTEGER,
    n NUMERIC,
    r REAL,
    t TEXT,
    b BLOB,
    u
);
INSERT INTO affinities VALUES
    (1, '5', '5', '5', '5', '5', '5'),
    (2, 5.0, 5.0, 5.0, 5.0, 5, 5),
    (3, 6, 6, 6, 6, 6, 6),
    (4, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, 9007199254740993, 9007199254740993, 9007199254740992.0, '05', '05', 9007199254740993),
    (6, -9223372036854775808, 9223372036854775807, -1, '-1', '-1', -9223372036854775808);

-- values that their columns do not announce
CREATE TABLE loose (id INTEGER PRIMARY KEY, number INTEGER, small INTEGER, word TEXT, day DATETIME);
INSERT INTO loose VALUES
    (1, 10, 1, 'one', '2024-02-29 10:00:00'),
    (2, 'many', 2, '', '2024-02-29T10:00:00Z'),
    (3, 30, 70000, x'74687265', 1700000000),
    (4, 4.5, 4, 'vier', '2024-02-30');

CREATE TABLE blanks (id INTEGER PRIMARY KEY, n INTEGER);
INSERT INTO blanks VALUES (1, ''), (2, 7), (3, 3);

-- a wide range of rowids, and few rows
CREATE TABLE gaps (id INTEGER PRIMARY KEY, v TEXT);
INSERT INTO gaps VALUES (1, 'a'), (1000000, 'b');

CREATE TABLE counted (id INTEGER PRIMARY KEY, grp INTEGER, uniq INTEGER);
CREATE INDEX counted_grp ON counted (grp);
CREATE UNIQUE INDEX counted_uniq ON counted (uniq);
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO counted SELECT i * 1000, i % 300, i FROM n;
ANALYZE counted;

CREATE TABLE strictly (id INTEGER PRIMARY KEY, n INT, x ANY) STRICT;
INSERT INTO strictly VALUES (1, 7, '7'), (2, 8, 7);

CREATE TABLE "Odd ""Name""" ("a b" INTEGER, "select" TEXT, "Üb" TEXT);
INSERT INTO "Odd ""Name""" VALUES (1, 'x', 'ü');

CREATE TABLE vacant (id INTEGER PRIMARY KEY, v TEXT);

CREATE VIEW adults AS SELECT id, name, age FROM people WHERE age > 18;
-- integers by declaration, text by content
CREATE VIEW mixture AS SELECT age AS v FROM people UNION ALL SELECT '36';
CREATE VIEW endless AS
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n)
    SELECT i FROM n WHERE i < 0;
