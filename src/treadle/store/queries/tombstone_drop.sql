DELETE FROM tombstones WHERE session_id = $1 AND statement_id = $2
