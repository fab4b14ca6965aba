SELECT * FROM workspaces WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)
