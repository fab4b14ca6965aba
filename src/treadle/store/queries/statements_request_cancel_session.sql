-- The rows are locked in the order of submission, so that two of these cannot wait for each other.
WITH target AS (
    SELECT id, seq FROM statements
    WHERE session_id = $1 AND state IN ('queued', 'running')
    ORDER BY seq FOR UPDATE
), changed AS (
    UPDATE statements s SET
        state = CASE WHEN s.state = 'queued' THEN 'cancelled' ELSE s.state END,
        cancel_requested_at = CASE WHEN s.finished_at IS NULL AND s.cancel_requested_at IS NULL THEN $2
        ELSE s.cancel_requested_at END,
        cancel_reason = CASE WHEN s.finished_at IS NULL AND s.cancel_requested_at IS NULL THEN $3
        ELSE s.cancel_reason END,
        cancel_requested_by = CASE WHEN s.finished_at IS NULL AND s.cancel_requested_at IS NULL THEN $4
        ELSE s.cancel_requested_by END,
        finished_at = CASE WHEN s.state = 'queued' THEN $2 ELSE s.finished_at END,
        effects = CASE WHEN s.state = 'queued' THEN 'none' ELSE s.effects END,
        reason = CASE WHEN s.state = 'queued' THEN $3 ELSE s.reason END,
        actor = CASE WHEN s.state = 'queued' THEN $4 ELSE s.actor END,
        rung = CASE WHEN s.state = 'queued' THEN 'dequeued' ELSE s.rung END,
        cancel_millis = CASE WHEN s.state = 'queued' THEN 0 ELSE s.cancel_millis END
    FROM target WHERE s.id = target.id AND s.finished_at IS NULL
    RETURNING s.id, s.seq
)
SELECT id FROM changed ORDER BY seq
