-- What sql/import.sql imports: names that PostgreSQL cannot take as they are,
-- columns whose declaration does not say enough, defaults, generated columns.

CREATE TABLE "UserAccount" (
    "UserID" INTEGER PRIMARY KEY,
    "FullName" TEXT NOT NULL,
    "HTTPStatus" INT DEFAULT 200,
    "order id" INT
);
INSERT INTO "UserAccount" VALUES (1, 'Ada', 404, 9);

-- snake_case makes one name of these
CREATE TABLE user_account (user_id INTEGER, "userId" INTEGER NOT NULL, "user-id" INTEGER);

CREATE TABLE names (
    "" INTEGER,
    ctid TEXT,
    "Xmin" TEXT,
    "xmin_1" TEXT,
    "a_name_of_more_than_sixty_three_bytes_that_ends_in_the_middle_of_é" TEXT,
    "a_name_of_more_than_sixty_three_bytes_that_ends_in_the_middle_of_è" TEXT,
    "a_name_of_more_than_sixty_two_bytes_and_a_character_of_two_12éx" TEXT,
    "Ä" TEXT,
    "ä" TEXT,
    "quo""te'\" TEXT
);
INSERT INTO names VALUES (1, 'c', 'x', 'x1', 'é', 'è', '2', 'Ä', 'ä', 'q');

CREATE TABLE "" (a INT);

CREATE TABLE dates (
    iso DATETIME, with_offset DATETIME, unix DATETIME, ms DATETIME, julian DATETIME,
    calendar DATETIME, mixture DATETIME, unclear DATETIME, day DATE, day_time DATE,
    clock TIME, vacant DATETIME
);
INSERT INTO dates VALUES
    ('2024-01-02 03:04:05', '2024-01-02 03:04:05+02:00', 1704164645, 1704164645123,
     2460311.5, 20240102030405, 1704164645123, 1704164645, '2024-01-02', '2024-01-02',
     '03:04:05', NULL),
    ('2024-01-02T03:04', '2024-01-02 03:04:05', 0, 1704164645124,
     2460311, 20240102030406, '2024-01-02 03:04:05', 'soon', '2024-01-03', '2024-01-02 03:04:05',
     '03:04', NULL);

CREATE TABLE types (
    a INTEGER, b SMALLINT, c BOOLEAN, d REAL, e DECIMAL(10,2), f NUMERIC, g TEXT,
    h VARCHAR(20), i CHAR(3), j BLOB, k JSON, l UUID, m "DOUBLE PRECISION", n GEOMETRY,
    o, p
);
INSERT INTO types VALUES
    (1, 1, 1, 1.5, 1.5, 1.5, 'g', 'h', 'i', x'6a', '{}',
     '123e4567-e89b-12d3-a456-426614174000', 1, x'00', 1, 1),
    (1, 1, 1, 1.5, 1.5, 1.5, 'g', 'h', 'i', x'6a', '{}',
     '123e4567-e89b-12d3-a456-426614174000', 1, NULL, 2, 'two');

CREATE TABLE defaults (
    a INTEGER DEFAULT 5, b INTEGER DEFAULT -5, c TEXT DEFAULT 'it''s', d BOOLEAN DEFAULT 1,
    e DECIMAL(10,2) DEFAULT 1.25, f DATETIME DEFAULT CURRENT_TIMESTAMP, g INTEGER DEFAULT (1 + 1),
    h TEXT DEFAULT 5, i INTEGER DEFAULT 'many', j REAL DEFAULT 0.1, k TEXT DEFAULT NULL,
    l DATE DEFAULT '2024-01-01', m BOOLEAN DEFAULT FALSE
);

CREATE TABLE computed (
    id INTEGER PRIMARY KEY,
    doubled INTEGER AS (id * 2),
    label TEXT AS ('#' || id) STORED
);
INSERT INTO computed (id) VALUES (1), (2);

CREATE VIEW sums AS SELECT o AS plain, o + 1 AS plus, count(*) AS n FROM types GROUP BY o;
CREATE VIEW broken AS SELECT x FROM no_such_table;

CREATE VIRTUAL TABLE search USING fts5 (body);

CREATE TABLE counter (id INTEGER PRIMARY KEY AUTOINCREMENT);
ANALYZE;
