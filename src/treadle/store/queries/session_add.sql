-- The lock on the endpoint keeps it from being dropped, paused or changed while the session comes.
INSERT INTO sessions (id, workspace_id, endpoint_id, instance_id, catalog, status, created_at, user_id, user_name,
    wait_deadline, owner, message, priority, threads, memory, max_retry_times, unanswered)
SELECT $1, $2, e.id, $4, $5, 'CREATING', $6, $7, $8, $9, $10, '', $11, $12, $13, $14, $15
FROM endpoints e
WHERE e.id = $3 AND e.workspace_id = $2 AND e.status = 'RUNNING'
FOR SHARE OF e
RETURNING id
