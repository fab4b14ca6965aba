DELETE FROM tombstones
WHERE (session_id, statement_id) IN (
    SELECT session_id, statement_id FROM tombstones WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED
)
RETURNING statement_id AS id
