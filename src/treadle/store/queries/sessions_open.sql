SELECT * FROM sessions
WHERE ended_at IS NULL AND NOT (status = 'RUNNING' AND close_requested_at IS NULL AND id = ANY ($1::text[]))
ORDER BY created_at, id
