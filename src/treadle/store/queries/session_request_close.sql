-- On the right, the columns are those before the update: the first intent stays whole.
UPDATE sessions SET
    close_requested_at = coalesce(close_requested_at, greatest($2, created_at)),
    close_requested_by = CASE WHEN close_requested_at IS NULL THEN $3 ELSE close_requested_by END,
    reason = CASE WHEN close_requested_at IS NULL THEN $4 ELSE reason END
WHERE id = $1 AND ended_at IS NULL
RETURNING *
