-- Always writes the row, an ended one too: only an update answers with the row as it is now and not as
-- it was when this statement began, whatever claim or finish did in between.
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
WHERE s.id = $1
RETURNING s.*
