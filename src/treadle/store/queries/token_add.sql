INSERT INTO tokens (digest, project_id, user_id, role, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (digest) DO UPDATE SET
    project_id = EXCLUDED.project_id, user_id = EXCLUDED.user_id, role = EXCLUDED.role,
    created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at
