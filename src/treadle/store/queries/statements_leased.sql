SELECT id, session_id, keepalive, lease_until FROM statements WHERE keepalive IS NOT NULL AND finished_at IS NULL
