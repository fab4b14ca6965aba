SELECT *
FROM sessions
WHERE id = $2
    AND ($1::text IS NULL OR workspace_id = $1)
    AND ($3::text IS NULL OR EXISTS (
        SELECT FROM workspaces WHERE workspaces.id = sessions.workspace_id AND workspaces.project_id = $3
    ))
