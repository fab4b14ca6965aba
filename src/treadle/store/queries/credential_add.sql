WITH over AS (DELETE FROM credentials WHERE user_id = $2 AND expires_at <= $5 AND access <> $1)
INSERT INTO credentials (access, user_id, project_id, sealed, created_at, expires_at, token_digest)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
RETURNING access
