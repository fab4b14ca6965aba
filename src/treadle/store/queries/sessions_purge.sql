DELETE FROM sessions
WHERE id IN (
    SELECT s.id FROM sessions s
    WHERE s.ended_at < $1 AND NOT EXISTS (SELECT FROM statements t WHERE t.session_id = s.id)
    ORDER BY s.ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id
