SELECT count(*) AS total FROM sessions s JOIN workspaces w ON w.id = s.workspace_id
WHERE w.project_id = $1 AND s.ended_at IS NULL
