UPDATE gateway SET renewed_at = clock_timestamp() WHERE holder = $1
RETURNING holder
