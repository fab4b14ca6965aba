DELETE FROM statements
WHERE id IN (
    SELECT id FROM statements WHERE finished_at < $1 ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id
