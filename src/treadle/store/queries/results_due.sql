SELECT id, workspace_id FROM statements
WHERE results_expire_at <= $1 AND NOT results_expired
ORDER BY results_expire_at, id LIMIT $2
