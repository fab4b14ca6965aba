UPDATE statements SET results_expired = true
WHERE id IN (
    SELECT id FROM statements
    WHERE results_expire_at <= $1 AND NOT results_expired
    ORDER BY results_expire_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id
