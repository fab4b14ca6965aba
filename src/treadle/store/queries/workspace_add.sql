INSERT INTO workspaces (id, project_id, name, created_at, description, metastore_id,
    enterprise_project_id, create_user_name, tags)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING id
