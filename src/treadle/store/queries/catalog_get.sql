SELECT * FROM catalogs WHERE workspace_id = $1 AND instance_id = $2 AND name = $3
