UPDATE statements SET committing_at = $4, commit_point = $3
WHERE id = $1 AND state = 'running' AND owner = $2 AND cancel_requested_at IS NULL
RETURNING id
