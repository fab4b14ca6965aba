-- A month of records: %(rows)s ended statements over %(sessions)s closed sessions of one workspace, oldest first.
-- Ids are time-ordered as the service makes them; nine of ten succeeded, results of the last day are not expired.
WITH month AS (
    SELECT now() - interval '29 days' AS starts, interval '29 days' / %(rows)s::bigint AS step
), added AS (
    INSERT INTO sessions (id, workspace_id, endpoint_id, instance_id, catalog, status, created_at, user_id, user_name,
        owner, reason, message, ended_at)
    SELECT md5('session' || s)::uuid::text, %(workspace_id)s, %(endpoint_id)s, 'default', 'default', 'CLOSED',
        starts, 'u', 'bench', 'history', 'user', '', starts + interval '28 days'
    FROM month, generate_series(0, %(sessions)s::bigint - 1) s
)
INSERT INTO statements (id, workspace_id, endpoint_id, session_id, content, created_at, state, database_name, bindings,
    fetch_mode, is_maintain, source, user_id, user_name, owner, started_at, finished_at, effects, reason, actor, rung,
    cancel_requested_at, cancel_reason, cancel_requested_by, cancel_millis, parts, last_part, results_expire_at,
    results_expired)
SELECT
    overlay(overlay(overlay(overlay(
        lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 14, 3)
        || '8' || substr(md5(n::text), 4, 15)
        PLACING '-' FROM 9 FOR 0) PLACING '-' FROM 14 FOR 0) PLACING '-' FROM 19 FOR 0) PLACING '-' FROM 24 FOR 0),
    %(workspace_id)s, %(endpoint_id)s, md5('session' || n %% %(sessions)s::bigint)::uuid::text,
    'SELECT customer, sum(amount) AS total FROM orders WHERE day >= DATE ''2026-01-01'' + ' || n %% 365
        || repeat(' AND amount > 0', (n %% 20)::integer) || ' GROUP BY customer ORDER BY total DESC LIMIT 10',
    at, state, 'default', '[]', 'DEFAULT', false, 0, 'u', 'bench', 'history', at,
    at + interval '120 milliseconds', 'none',
    CASE state WHEN 'cancelled' THEN 'user' END, CASE state WHEN 'cancelled' THEN 'bench' END,
    CASE state WHEN 'cancelled' THEN 'interrupted' END,
    CASE state WHEN 'cancelled' THEN at END, CASE state WHEN 'cancelled' THEN 'user' END,
    CASE state WHEN 'cancelled' THEN 'bench' END, CASE state WHEN 'cancelled' THEN 12.5 END,
    convert_to(CASE state
        WHEN 'succeeded' THEN '{"number":1,"status":"PGRES_TUPLES_OK","rows":10,"columns":[{"name":"customer",'
            || '"type":20,"size":8},{"name":"total","type":701,"size":8}]}'
        ELSE '{"number":1,"status":"PGRES_FATAL_ERROR","sql_state":"57014","message":"it did not end well"}'
    END, 'UTF8'),
    1, at + interval '1 day', at < now() - interval '1 day'
FROM month, generate_series(0, %(rows)s::bigint - 1) n,
    LATERAL (
        SELECT starts + step * n AS at,
            CASE n %% 20 WHEN 7 THEN 'failed' WHEN 13 THEN 'cancelled' ELSE 'succeeded' END AS state
    ) one
