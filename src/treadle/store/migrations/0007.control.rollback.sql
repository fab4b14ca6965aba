DROP INDEX IF EXISTS statements_waiting;
ALTER TABLE statements
    DROP COLUMN IF EXISTS statement_name,
    DROP COLUMN IF EXISTS statement_type,
    DROP COLUMN IF EXISTS wait_timeout,
    DROP COLUMN IF EXISTS max_retry_times;
ALTER TABLE sessions
    DROP COLUMN IF EXISTS priority,
    DROP COLUMN IF EXISTS threads,
    DROP COLUMN IF EXISTS memory,
    DROP COLUMN IF EXISTS max_retry_times;
ALTER TABLE endpoints
    DROP COLUMN IF EXISTS threads,
    DROP COLUMN IF EXISTS memory,
    DROP COLUMN IF EXISTS warm_up;
ALTER TABLE workspaces DROP COLUMN IF EXISTS tags;
