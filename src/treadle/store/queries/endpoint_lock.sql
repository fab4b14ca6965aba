SELECT id FROM endpoints WHERE id = $2 AND workspace_id = $1 FOR UPDATE
