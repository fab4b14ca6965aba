-- A claim that is on its way may meet a statement that was submitted after it.
-- The inner lock waits for whoever holds the oldest row and passes it over if it is queued no more.
UPDATE statements SET state = 'running', owner = $2, started_at = greatest($3, created_at)
WHERE id = (
    SELECT id FROM statements
    WHERE session_id = $1 AND state = 'queued'
    ORDER BY seq LIMIT 1 FOR UPDATE
) AND state = 'queued'
RETURNING *
