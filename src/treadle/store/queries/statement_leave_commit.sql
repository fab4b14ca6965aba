UPDATE statements SET committing_at = NULL, commit_point = NULL
WHERE id = $1 AND state = 'running' AND owner = $2
    AND (commit_point IS NULL OR (convert_from(commit_point, 'UTF8')::json ->> 'part')::integer = $3::integer)
RETURNING id
