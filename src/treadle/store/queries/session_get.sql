SELECT * FROM sessions WHERE id = $2 AND ($1::text IS NULL OR workspace_id = $1)
