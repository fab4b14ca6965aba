SELECT count(*) AS total FROM workspaces
WHERE ($1::text IS NULL OR project_id = $1)
    AND ($2::text IS NULL OR id = $2)
    AND ($3::text IS NULL OR strpos(lower(name), lower($3)) > 0)
    AND ($4::text IS NULL OR enterprise_project_id = $4)
