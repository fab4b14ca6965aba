WITH ended AS (DELETE FROM tokens WHERE user_id = $1 AND NOT $2)
UPDATE users SET enabled = $2 WHERE id = $1
RETURNING id
