SELECT id, workspace_id, endpoint_id, session_id, '' AS content, created_at, state, database_name,
    bindings, row_limit, fetch_mode, is_maintain, source, user_id, user_name, owner, started_at, committing_at,
    commit_point, cancel_requested_at, cancel_reason, cancel_requested_by, cancel_detail, finished_at, effects, reason,
    actor, rung, cancel_millis, detail, parts, results_expire_at, chosen_id, tags, keepalive, lease_until,
    statement_name, statement_type, wait_timeout, max_retry_times
FROM statements WHERE state = 'running' ORDER BY started_at, seq
