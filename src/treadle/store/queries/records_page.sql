SELECT id, workspace_id, endpoint_id, session_id, left(content, $20) AS content, created_at, state, database_name,
    bindings, row_limit, fetch_mode, is_maintain, source, user_id, user_name, owner, started_at, committing_at,
    commit_point, cancel_requested_at, cancel_reason, cancel_requested_by, cancel_detail, finished_at, effects, reason,
    actor, rung, cancel_millis, detail, parts, results_expire_at, chosen_id, tags, keepalive, lease_until,
    statement_name, statement_type, wait_timeout, max_retry_times
FROM statements
WHERE ($1::text IS NULL OR workspace_id = $1)
    AND ($2::text IS NULL OR session_id = $2)
    AND ($3::text IS NULL OR endpoint_id = $3)
    AND ($4::text IS NULL OR (id = $4 AND chosen_id IS NULL) OR chosen_id = $4)
    AND ($5::integer IS NULL OR source = $5)
    AND ($6::text IS NULL OR state = $6)
    AND ($7::boolean IS NULL OR coalesce(reason IN ('owner_lost', 'worker_crashed'), false) = $7)
    AND ($8::timestamptz IS NULL OR coalesce(started_at, created_at) >= $8)
    AND ($9::timestamptz IS NULL OR finished_at <= $9)
    AND ($10::text IS NULL OR tags @> ARRAY[$10])
    AND ($11::timestamptz IS NULL OR created_at >= $11)
    AND ($12::timestamptz IS NULL OR created_at <= $12)
    AND ($13::text IS NULL OR statement_name = $13)
    AND ($14::text IS NULL OR ('workspace:' || workspace_id || '/endpoint:' || endpoint_id) ~ $14)
    AND ($15::text IS NULL OR user_name = $15)
    AND ($18::timestamptz IS NULL OR (created_at, id) < ($18, $19::text))
ORDER BY created_at DESC, id DESC
LIMIT $16 OFFSET $17
