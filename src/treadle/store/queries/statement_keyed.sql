SELECT * FROM statements WHERE workspace_id = $1 AND user_id = $2 AND idempotency_key = $3
