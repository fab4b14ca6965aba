-- The name of a session's endpoint, kept when the endpoint is deleted.
-- depends: 0011.reasons

ALTER TABLE sessions ADD COLUMN IF NOT EXISTS endpoint_name text NOT NULL DEFAULT '';
