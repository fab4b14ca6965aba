-- FOR SHARE waits for a close or an end that is under way and then sees it; a weaker lock would not.
INSERT INTO statements (id, workspace_id, endpoint_id, session_id, content, created_at, database_name, bindings,
    row_limit, fetch_mode, is_maintain, source, user_id, user_name)
SELECT $1, $2, $3, s.id, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
FROM sessions s
WHERE s.id = $4 AND s.ended_at IS NULL AND s.close_requested_at IS NULL
FOR SHARE OF s
RETURNING id
