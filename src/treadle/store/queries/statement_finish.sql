-- An ending without a reason takes that of the intent, which its owner may not have heard of.
UPDATE statements SET
    state = $3, finished_at = $4, effects = $5, cancel_millis = $9, parts = parts || $10::bytea,
    results_expire_at = $11, inline = $12,
    reason = CASE WHEN $6::text IS NULL THEN cancel_reason ELSE $6 END,
    actor = CASE WHEN $6 IS NULL THEN cancel_requested_by ELSE $7 END,
    rung = CASE WHEN $6 IS NULL AND cancel_reason IS NOT NULL THEN 'too_late' ELSE $8 END,
    detail = CASE WHEN $6 IS NULL THEN cancel_detail ELSE $13 END
WHERE id = $1 AND state = 'running' AND owner = $2
RETURNING cancel_requested_at, cancel_reason, cancel_requested_by, cancel_detail
