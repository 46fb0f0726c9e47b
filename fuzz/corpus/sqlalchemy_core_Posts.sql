CREATE TABLE "Posts" (
	user_id INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	title VARCHAR(80), 
	parent_user INTEGER, 
	parent_seq INTEGER, 
	slug VARCHAR GENERATED ALWAYS AS (lower(title)) STORED, 
	PRIMARY KEY (user_id, seq), 
	CONSTRAINT fk_parent FOREIGN KEY(parent_user, parent_seq) REFERENCES "Posts" (user_id, seq) DEFERRABLE INITIALLY DEFERRED, 
	CONSTRAINT uq_title UNIQUE (user_id, title), 
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
)