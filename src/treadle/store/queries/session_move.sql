UPDATE sessions SET
    status = $3,
    owner = coalesce($4, owner),
    reason = coalesce($5, reason),
    message = coalesce(nullif($6, ''), message),
    ended_at = coalesce($7, ended_at),
    worker = coalesce($8, worker),
    opened_at = coalesce($9, opened_at)
WHERE id = $1 AND status = ANY ($2::text[])
RETURNING *
