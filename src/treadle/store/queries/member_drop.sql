-- His credentials and grants go with him.
WITH ended AS (DELETE FROM tokens WHERE user_id = $1)
DELETE FROM users WHERE id = $1
RETURNING id
