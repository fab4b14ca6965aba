SELECT requested_at, reason, actor, detail FROM tombstones WHERE session_id = $1 AND statement_id = $2 AND expires_at > $3
