-- An array is made once; a subquery in IN may be planned to run again for every row, past its LIMIT.
UPDATE statements SET results_expired = true, inline = NULL
WHERE id = ANY (ARRAY(
    SELECT id FROM statements
    WHERE results_expire_at <= $1 AND NOT results_expired
    ORDER BY results_expire_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING id
