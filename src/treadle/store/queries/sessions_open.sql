SELECT * FROM sessions WHERE ended_at IS NULL ORDER BY created_at, id
