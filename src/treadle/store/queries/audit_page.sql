-- The first row of an event is the event; $3 finds those who are attached to it as well.
SELECT * FROM audit a
WHERE NOT closes
    AND (key = '' OR NOT EXISTS (
        SELECT FROM audit b WHERE b.key = a.key AND b.key <> '' AND b.id < a.id AND NOT b.closes
    ))
    AND ($1::timestamptz IS NULL OR at >= $1)
    AND ($2::timestamptz IS NULL OR at < $2)
    AND ($3::text IS NULL OR user_name = $3 OR (key <> '' AND EXISTS (
        SELECT FROM audit c WHERE c.key = a.key AND c.key <> '' AND c.user_name = $3 AND NOT c.closes
    )))
    AND ($4::text IS NULL OR action = $4 OR right(action, length($4) + 1) = ':' || $4)
    AND ($5::text IS NULL OR workspace_id = $5)
ORDER BY id DESC
LIMIT $6
