INSERT INTO catalogs (id, workspace_id, instance_id, name, created_at, database, role, password, data_path)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING id
