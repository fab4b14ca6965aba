INSERT INTO users (id, name, domain_id, project_id, enabled, password)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
RETURNING id
