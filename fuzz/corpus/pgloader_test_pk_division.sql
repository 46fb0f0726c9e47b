CREATE TABLE division (
    division_id INTEGER PRIMARY KEY,
    division_kind_id INTEGER REFERENCES division_kind(division_kind_id)
)