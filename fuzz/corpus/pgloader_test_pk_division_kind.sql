CREATE TABLE division_kind (
    division_kind_id INTEGER PRIMARY KEY
)