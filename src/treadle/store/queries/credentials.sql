SELECT * FROM credentials WHERE $1::text IS NULL OR user_id = $1 ORDER BY created_at, access COLLATE "C"
