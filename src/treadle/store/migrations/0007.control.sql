-- What the control plane and version 2 of the API need. tags are JSON (bytea, as in 0004.statements).
-- depends: 0005.service

ALTER TABLE workspaces ADD COLUMN IF NOT EXISTS tags bytea NOT NULL DEFAULT '[]';

ALTER TABLE endpoints
    ADD COLUMN IF NOT EXISTS threads bigint,
    ADD COLUMN IF NOT EXISTS memory bigint,
    ADD COLUMN IF NOT EXISTS warm_up bigint NOT NULL DEFAULT 0;

ALTER TABLE sessions
    ADD COLUMN IF NOT EXISTS priority smallint NOT NULL DEFAULT 5,
    ADD COLUMN IF NOT EXISTS threads bigint,
    ADD COLUMN IF NOT EXISTS memory bigint,
    ADD COLUMN IF NOT EXISTS max_retry_times bigint NOT NULL DEFAULT 0;

ALTER TABLE statements
    ADD COLUMN IF NOT EXISTS statement_name text,
    ADD COLUMN IF NOT EXISTS statement_type text NOT NULL DEFAULT 'SQL',
    ADD COLUMN IF NOT EXISTS wait_timeout double precision,
    ADD COLUMN IF NOT EXISTS max_retry_times bigint;

CREATE INDEX IF NOT EXISTS statements_waiting ON statements (id) WHERE state = 'queued' AND wait_timeout IS NOT NULL;
