-- An endpoint added meanwhile is caught by its foreign key.
DELETE FROM workspaces w
WHERE w.id = $1 AND NOT EXISTS (SELECT FROM endpoints e WHERE e.workspace_id = w.id)
RETURNING w.id
