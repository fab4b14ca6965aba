INSERT INTO statements (id, workspace_id, endpoint_id, session_id, content, created_at, database_name, bindings,
    row_limit, fetch_mode, is_maintain, source, user_id, user_name, owner, started_at, cancel_requested_at,
    cancel_reason, cancel_requested_by, state, finished_at, effects, reason, actor, rung, cancel_millis, parts,
    last_part, results_expire_at, inline, tags, cancel_detail, detail, statement_name, statement_type, wait_timeout,
    max_retry_times, profile)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38)
ON CONFLICT (id) DO NOTHING
RETURNING id
