UPDATE statements SET lease_until = $2 WHERE id = $1 AND keepalive IS NOT NULL AND finished_at IS NULL RETURNING id
