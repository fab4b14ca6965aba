-- An array is made once; a subquery in IN may be planned to run again for every row, past its LIMIT.
DELETE FROM sessions
WHERE id = ANY (ARRAY(
    SELECT s.id FROM sessions s
    WHERE s.ended_at < $1 AND NOT EXISTS (SELECT FROM statements t WHERE t.session_id = s.id)
    ORDER BY s.ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING id
