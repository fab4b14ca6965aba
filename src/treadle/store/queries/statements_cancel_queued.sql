-- The rows are locked in the order of submission, so that two of these cannot wait for each other.
WITH target AS (
    SELECT id, seq FROM statements
    WHERE session_id = $1 AND state = 'queued'
    ORDER BY seq FOR UPDATE
), changed AS (
    UPDATE statements s SET
        state = 'cancelled', cancel_requested_at = $2, cancel_reason = $3, cancel_requested_by = $4,
        finished_at = $2, effects = 'none', reason = $3, actor = $4, rung = 'dequeued', cancel_millis = 0
    FROM target WHERE s.id = target.id AND s.state = 'queued'
    RETURNING s.id, s.seq
)
SELECT id FROM changed ORDER BY seq
