CREATE TABLE images (
    tile_data blob,
    tile_id text
)