CREATE INDEX idx_actor_last_name ON actor(last_name)
