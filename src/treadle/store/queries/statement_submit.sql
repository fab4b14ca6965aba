-- FOR SHARE waits for a close or an end that is under way and then sees it; a weaker lock would not.
-- With an owner it starts at once, unless an earlier one of its session waits; $21 says that it has begun already.
INSERT INTO statements (id, workspace_id, endpoint_id, session_id, content, created_at, database_name, bindings,
    row_limit, fetch_mode, is_maintain, source, user_id, user_name, state, owner, started_at, chosen_id, tags,
    idempotency_key, idempotency_digest, keepalive, lease_until, statement_name, statement_type, wait_timeout,
    max_retry_times)
SELECT $1, s.workspace_id, s.endpoint_id, s.id, $4, $5::timestamptz, s.catalog, $6, $7, $8, $9, $10, $11, $12,
    CASE WHEN starts.now THEN 'running' ELSE 'queued' END,
    CASE WHEN starts.now THEN $13::text END,
    CASE WHEN starts.now THEN $5::timestamptz END,
    $15, $16, $17, $18, $19, $20, $22, $23, $24, $25
FROM sessions s, LATERAL (
    SELECT $13::text IS NOT NULL AND ($21::boolean OR NOT EXISTS (
        SELECT FROM statements q WHERE q.session_id = s.id AND q.state = 'queued'
    )) AS now
) starts
WHERE s.id = $3 AND s.workspace_id = $2 AND s.ended_at IS NULL AND s.close_requested_at IS NULL
    AND ($14::text IS NULL OR EXISTS (SELECT FROM workspaces w WHERE w.id = s.workspace_id AND w.project_id = $14))
FOR SHARE OF s
RETURNING state, endpoint_id, database_name
