-- Parts that are there already are not appended twice: the answer to the first call may have been lost.
UPDATE statements SET
    parts = CASE WHEN last_part < $4 THEN parts || $3::bytea ELSE parts END,
    last_part = greatest(last_part, $4),
    committing_at = NULL, commit_point = NULL
WHERE id = $1 AND state = 'running' AND owner = $2
RETURNING id
