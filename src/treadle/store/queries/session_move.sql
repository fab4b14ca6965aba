-- Whatever the wall clock was set to meanwhile: no session was opened before it was made, or has ended before that.
UPDATE sessions SET
    status = $3,
    owner = coalesce($4, owner),
    reason = coalesce($5, reason),
    message = coalesce(nullif($6, ''), message),
    ended_at = CASE WHEN $7::timestamptz IS NULL THEN ended_at
        ELSE greatest($7, created_at, opened_at, close_requested_at) END,
    worker = coalesce($8, worker),
    opened_at = CASE WHEN $9::timestamptz IS NULL THEN opened_at ELSE greatest($9, created_at) END,
    unanswered = unanswered AND $3 <> 'RUNNING'
WHERE id = $1 AND status = ANY ($2::text[])
RETURNING *
