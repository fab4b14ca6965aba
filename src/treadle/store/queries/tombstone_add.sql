-- The first intent stays; asked again it is kept for longer.
INSERT INTO tombstones (session_id, statement_id, requested_at, reason, actor, expires_at, detail)
SELECT $1, $2, $3, $4, $5, $6, $8
WHERE (SELECT count(*) FROM tombstones WHERE session_id = $1 AND statement_id <> $2) < $7
ON CONFLICT (session_id, statement_id) DO UPDATE SET expires_at = greatest(tombstones.expires_at, excluded.expires_at)
RETURNING statement_id
