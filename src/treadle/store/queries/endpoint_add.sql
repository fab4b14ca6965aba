INSERT INTO endpoints (id, workspace_id, name, created_at, updated_at, type, status, engine, description,
    max_sessions, max_statements, config, reserved_resource, owner_user_id, owner_user_name, threads, memory, warm_up)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT DO NOTHING
RETURNING id
