-- Values that SQLite keeps whatever the column declares; for sql/misfits.sql.
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    age INTEGER,
    born DATE,
    seen DATETIME,
    code VARCHAR(3),
    paid NUMERIC(6,2),
    ok BOOLEAN,
    note TEXT NOT NULL
);
INSERT INTO person VALUES
    (1, 30, '1990-01-02', '2024-01-02 03:04:05', 'abc', 1.25, 1, 'fine'),
    (2, 'old', '1990-01-02 10:00:00', '2024-01-02 03:04:05+02:00', 'abcd', 1.255, 2, 'odd'),
    (3, '', NULL, 1704164645000, '', 7, 0, x'66c3bc72');
CREATE TABLE visit (id INTEGER PRIMARY KEY, person_id TEXT REFERENCES person (id), day TEXT);
INSERT INTO visit VALUES (1, '1', '2024-01-02'), (2, '7', '2024-01-03'), (3, NULL, NULL);
