DELETE FROM tombstones WHERE session_id = $1 AND expires_at <= $2
