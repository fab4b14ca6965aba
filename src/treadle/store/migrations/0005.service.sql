-- What the contract's clauses C15 and C16 need, and small results beside their record.
-- depends: 0004.statements

ALTER TABLE statements
    ADD COLUMN IF NOT EXISTS inline bytea,
    ADD COLUMN IF NOT EXISTS chosen_id text,
    ADD COLUMN IF NOT EXISTS tags text[],
    ADD COLUMN IF NOT EXISTS idempotency_key text,
    ADD COLUMN IF NOT EXISTS idempotency_digest bytea,
    ADD COLUMN IF NOT EXISTS keepalive double precision,
    ADD COLUMN IF NOT EXISTS lease_until timestamptz,
    ADD COLUMN IF NOT EXISTS cancel_detail text,
    ADD COLUMN IF NOT EXISTS detail text;

-- All partial: a statement that uses none of it is in none of them.
CREATE UNIQUE INDEX IF NOT EXISTS statements_chosen ON statements (workspace_id, chosen_id)
    WHERE chosen_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS statements_idempotency ON statements (workspace_id, user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS statements_tags ON statements USING gin (tags) WHERE tags IS NOT NULL;
CREATE INDEX IF NOT EXISTS statements_leased ON statements (id) WHERE keepalive IS NOT NULL AND finished_at IS NULL;

-- Cancels that came before their statement (C15): what is submitted under the id is born cancelled.
CREATE TABLE IF NOT EXISTS tombstones (
    session_id   text NOT NULL,
    statement_id text NOT NULL,
    requested_at timestamptz NOT NULL,
    reason       text NOT NULL,
    actor        text NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (session_id, statement_id)
);

CREATE INDEX IF NOT EXISTS tombstones_expiry ON tombstones (expires_at);

ALTER TABLE sessions ADD COLUMN IF NOT EXISTS worker text;
