-- Compare-and-set: nobody else has changed it since $3.
UPDATE endpoints SET
    name = $4,
    updated_at = $5,
    status = $6,
    engine = $7,
    description = $8,
    max_sessions = $9,
    max_statements = $10,
    config = $11,
    reserved_resource = $12,
    threads = $13,
    memory = $14,
    warm_up = $15
WHERE id = $2 AND workspace_id = $1 AND updated_at = $3
RETURNING id
