CREATE VIEW far_days AS SELECT id, date(ts, '+2 days', '-99999999999999999999 days') FROM inputs
