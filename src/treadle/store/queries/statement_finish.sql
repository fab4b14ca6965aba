UPDATE statements SET
    state = $3, finished_at = $4, effects = $5, reason = $6, actor = $7, rung = $8, cancel_millis = $9,
    parts = parts || $10::bytea, results_expire_at = $11
WHERE id = $1 AND state = 'running' AND owner = $2
RETURNING id
