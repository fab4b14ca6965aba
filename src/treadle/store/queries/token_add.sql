-- $9 is the hash of the password it was got with: one that has been changed meanwhile gets none.
WITH over AS (DELETE FROM tokens WHERE user_id = $2 AND expires_at <= $3 AND digest <> $1)
INSERT INTO tokens (digest, user_id, created_at, expires_at, project_id, domain_id, role, methods)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE $9::text IS NULL OR EXISTS (SELECT FROM users WHERE id = $2 AND enabled AND password = $9)
ON CONFLICT (digest) DO UPDATE SET
    user_id = EXCLUDED.user_id, created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at,
    project_id = EXCLUDED.project_id, domain_id = EXCLUDED.domain_id, role = EXCLUDED.role,
    methods = EXCLUDED.methods
RETURNING digest
