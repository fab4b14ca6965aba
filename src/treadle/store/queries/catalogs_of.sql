SELECT * FROM catalogs WHERE workspace_id = $1 ORDER BY instance_id COLLATE "C", name COLLATE "C"
