DELETE FROM credentials WHERE access = $1 RETURNING access
