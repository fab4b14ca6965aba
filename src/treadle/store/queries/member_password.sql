-- The tokens he got himself end with his password.
WITH ended AS (DELETE FROM tokens WHERE user_id = $1 AND role IS NULL)
UPDATE users SET password = $2 WHERE id = $1
RETURNING id
