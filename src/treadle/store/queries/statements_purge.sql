-- A record stays until its result is gone: nobody else knows where that lies.
-- An array is made once; a subquery in IN may be planned to run again for every row, past its LIMIT.
DELETE FROM statements
WHERE id = ANY (ARRAY(
    SELECT id FROM statements
    WHERE finished_at < $1 AND (results_expire_at IS NULL OR results_expired)
    ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING id
