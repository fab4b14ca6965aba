SELECT count(*) AS total FROM endpoints
WHERE workspace_id = $1
    AND ($2::text IS NULL OR id = $2)
    AND ($3::text IS NULL OR strpos(lower(name), lower($3)) > 0)
    AND ($4::text IS NULL OR type = $4)
