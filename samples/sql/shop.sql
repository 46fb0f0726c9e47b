-- A small shop, as an app would have made it; for sql/migrate.sql and others.
CREATE TABLE category (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    parent_id INTEGER REFERENCES category (id) ON DELETE CASCADE,
    name VARCHAR(20) NOT NULL UNIQUE
);
CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    category_id INTEGER NOT NULL REFERENCES category DEFERRABLE INITIALLY DEFERRED,
    sku TEXT NOT NULL COLLATE NOCASE,
    price DECIMAL(8,2) NOT NULL DEFAULT 0,
    active BOOLEAN NOT NULL DEFAULT 1,
    tags JSON,
    added DATETIME DEFAULT CURRENT_TIMESTAMP,
    weight REAL,
    picture BLOB,
    CONSTRAINT one_sku UNIQUE (sku),
    CONSTRAINT price_positive CHECK (price >= 0)
);
CREATE INDEX product_category ON product (category_id, price DESC);
CREATE TABLE stock (
    product_id INTEGER REFERENCES product (id) ON UPDATE CASCADE ON DELETE RESTRICT,
    place TEXT,
    amount INT NOT NULL,
    counted DATE,
    PRIMARY KEY (product_id, place)
) WITHOUT ROWID;
CREATE TABLE event (at INTEGER, kind TEXT, ref CHAR(36));

INSERT INTO category VALUES (1, NULL, 'all'), (2, 1, 'tools'), (3, 1, 'toys'), (9, 1, 'gone');
DELETE FROM category WHERE id = 9;
INSERT INTO product VALUES
    (1, 2, 'H-1', 12.50, 1, '{"b": [1, 2.50], "a": null}', '2024-01-02 03:04:05', 0.1, x'00ff'),
    (2, 3, 'T-1', 3, 0, NULL, '2024-02-29T23:59:59.5', NULL, x''),
    (5, 3, 'T-2', 9999.99, 1, '[]', '1999-12-31 00:00', 1e100, NULL);
INSERT INTO stock VALUES (1, 'north', 5, '2024-03-01'), (1, 'south', 0, NULL), (2, 'north', 9223372036854775807, '2024-03-02');
INSERT INTO event VALUES (1700000000, 'start', '550e8400-e29b-41d4-a716-446655440000'), (1700000060, 'stop', NULL);
CREATE TRIGGER product_log AFTER INSERT ON product BEGIN INSERT INTO event VALUES (0, 'new', NULL); END;
