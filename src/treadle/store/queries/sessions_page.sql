SELECT * FROM sessions
WHERE ($1::text IS NULL OR workspace_id = $1)
    AND ($2::text IS NULL OR endpoint_id = $2)
    AND ($3::text IS NULL OR id = $3)
    AND ($4::text IS NULL OR status = $4)
    AND ($5::timestamptz IS NULL OR created_at >= $5)
    AND ($6::timestamptz IS NULL OR created_at <= $6)
    AND ($7::text IS NULL OR ('workspace:' || workspace_id || '/endpoint:' || endpoint_id) ~ $7)
    AND ($8::text IS NULL OR user_name = $8)
    AND NOT ($9::boolean AND unanswered AND ended_at IS NOT NULL)
    AND ($12::timestamptz IS NULL OR (created_at, id) < ($12, $13::text))
ORDER BY created_at DESC, id DESC
LIMIT $10 OFFSET $11
