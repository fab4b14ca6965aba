UPDATE statements SET results_expired = true, inline = NULL
WHERE id = ANY ($1::text[]) AND NOT results_expired
RETURNING id
