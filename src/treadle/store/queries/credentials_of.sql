SELECT * FROM credentials WHERE user_id = $1 ORDER BY created_at, access COLLATE "C"
