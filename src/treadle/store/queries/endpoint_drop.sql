-- Runs while the row is locked (endpoint_lock), so that no session can be added in between.
WITH dropped AS (
    DELETE FROM endpoints e
    WHERE e.id = $2 AND e.workspace_id = $1
        AND NOT EXISTS (SELECT FROM sessions s WHERE s.endpoint_id = e.id AND s.ended_at IS NULL)
    RETURNING e.id, e.name
), named AS (
    UPDATE sessions s SET endpoint_name = dropped.name FROM dropped WHERE s.endpoint_id = dropped.id
)
SELECT id FROM dropped
