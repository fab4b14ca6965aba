-- An ending without a reason takes that of the intent, which its owner may not have heard of; where the owner
-- knows of an intent ($15 to $18), the one that is there already counts, and else that one is written.
UPDATE statements SET
    state = $3, finished_at = $4, effects = $5, cancel_millis = $9, parts = parts || $10::bytea,
    results_expire_at = $11, inline = $12, profile = $14,
    reason = CASE WHEN $6::text IS NULL OR $15::timestamptz IS NOT NULL THEN coalesce(cancel_reason, $6) ELSE $6 END,
    actor = CASE WHEN cancel_reason IS NOT NULL AND ($6 IS NULL OR $15 IS NOT NULL) THEN cancel_requested_by ELSE $7 END,
    rung = CASE WHEN $6 IS NULL AND cancel_reason IS NOT NULL THEN 'too_late' ELSE $8 END,
    detail = CASE WHEN cancel_reason IS NOT NULL AND ($6 IS NULL OR $15 IS NOT NULL) THEN cancel_detail ELSE $13 END,
    cancel_requested_at = coalesce(cancel_requested_at, $15),
    cancel_reason = coalesce(cancel_reason, $16::text),
    cancel_requested_by = coalesce(cancel_requested_by, $17::text),
    cancel_detail = CASE WHEN cancel_reason IS NULL THEN $18::text ELSE cancel_detail END
WHERE id = $1 AND state = 'running' AND owner = $2
RETURNING cancel_requested_at, cancel_reason, cancel_requested_by, cancel_detail
