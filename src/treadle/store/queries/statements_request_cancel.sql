-- The one decision of a cancel, for one statement or for many: queued ones end, running ones get the
-- intent unless they have one, ended ones stay. The rows are locked, so that what is decided is decided
-- on them as they are now, in the order of submission, so that two of these cannot wait for each other.
-- $1 the ids, ours or (with a workspace) those the API shows; without them every unfinished one.
-- $14 where the caller may cancel; $15 to $19 who asks, for the audit: one row for each that had not ended.
-- $9 whether to write it down; $10 when, $11 why, $12 who, $13 what exactly.
WITH candidate AS (
    SELECT id FROM statements
    WHERE id = ANY ($1::text[]) AND ($2::text IS NULL OR (workspace_id = $2 AND chosen_id IS NULL))
    UNION ALL
    SELECT id FROM statements
    WHERE $1::text[] IS NOT NULL AND workspace_id = $2 AND chosen_id = ANY ($1)
    UNION ALL
    SELECT id FROM statements
    WHERE $1::text[] IS NULL AND $3::text IS NOT NULL AND state = 'queued' AND session_id = $3
    UNION ALL
    SELECT id FROM statements
    WHERE $1::text[] IS NULL AND $3 IS NULL AND state = 'queued' AND ($2 IS NULL OR workspace_id = $2)
    UNION ALL
    SELECT id FROM statements
    WHERE $1::text[] IS NULL AND state = 'running' AND ($2 IS NULL OR workspace_id = $2)
        AND ($3 IS NULL OR session_id = $3)
), target AS (
    SELECT id, seq, workspace_id, endpoint_id, session_id, '' AS content, created_at, database_name,
        '[]'::bytea AS bindings, row_limit, fetch_mode, is_maintain, source, user_id, user_name, owner, started_at,
        committing_at, commit_point, parts, results_expire_at, chosen_id, state AS before,
        CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END AS state,
        CASE WHEN finished_at IS NULL AND cancel_requested_at IS NULL THEN $10 ELSE cancel_requested_at END
            AS cancel_requested_at,
        CASE WHEN finished_at IS NULL AND cancel_requested_at IS NULL THEN $11 ELSE cancel_reason END
            AS cancel_reason,
        CASE WHEN finished_at IS NULL AND cancel_requested_at IS NULL THEN $12 ELSE cancel_requested_by END
            AS cancel_requested_by,
        CASE WHEN finished_at IS NULL AND cancel_requested_at IS NULL THEN $13 ELSE cancel_detail END
            AS cancel_detail,
        CASE WHEN state = 'queued' THEN greatest($10::timestamptz, created_at) ELSE finished_at END AS finished_at,
        CASE WHEN state = 'queued' THEN 'none' ELSE effects END AS effects,
        CASE WHEN state = 'queued' THEN $11::text ELSE reason END AS reason,
        CASE WHEN state = 'queued' THEN $12::text ELSE actor END AS actor,
        CASE WHEN state = 'queued' THEN $13::text ELSE detail END AS detail,
        CASE WHEN state = 'queued' THEN 'dequeued' ELSE rung END AS rung,
        CASE WHEN state = 'queued' THEN 0 ELSE cancel_millis END AS cancel_millis
    FROM statements
    WHERE id = ANY (ARRAY(SELECT id FROM candidate))
        AND ($1 IS NOT NULL OR finished_at IS NULL)
        AND ($2 IS NULL OR workspace_id = $2)
        AND ($3 IS NULL OR session_id = $3)
        AND ($4::text IS NULL OR endpoint_id = $4)
        AND ($5::text[] IS NULL OR tags @> $5)
        AND ($6::text IS NULL OR user_name = $6)
        AND ($7::text IS NULL OR state = $7)
        AND ($8::timestamptz IS NULL OR created_at < $8)
        AND ($14::text IS NULL OR ('workspace:' || workspace_id || '/endpoint:' || endpoint_id) ~ $14)
    ORDER BY seq FOR UPDATE
), changed AS (
    UPDATE statements s SET
        state = t.state, cancel_requested_at = t.cancel_requested_at, cancel_reason = t.cancel_reason,
        cancel_requested_by = t.cancel_requested_by, cancel_detail = t.cancel_detail,
        finished_at = t.finished_at, effects = t.effects, reason = t.reason, actor = t.actor, detail = t.detail,
        rung = t.rung, cancel_millis = t.cancel_millis
    FROM target t WHERE $9::boolean AND s.id = t.id AND t.before IN ('queued', 'running')
), noted AS (
    INSERT INTO audit (at, project_id, user_id, user_name, address, request_id, action, outcome, workspace_id,
        resource, key, detail)
    SELECT $10::timestamptz, $15::text, $16::text, $17::text, $18::text, $19::text,
        'DataArtsFabric:workspace:cancelStatement',
        CASE WHEN before = 'queued' THEN 'cancelled' ELSE 'requested' END,
        workspace_id, 'statement:' || coalesce(chosen_id, id), 'cancel:' || id, coalesce($13, '')
    FROM target WHERE $9 AND $15 IS NOT NULL AND before IN ('queued', 'running')
)
SELECT * FROM target ORDER BY seq
