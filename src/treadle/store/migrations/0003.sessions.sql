-- Sessions. They outlive their endpoint and workspace as records, hence no foreign keys.
-- depends: 0002.workspaces

CREATE TABLE IF NOT EXISTS sessions (
    id                 text PRIMARY KEY,
    workspace_id       text NOT NULL,
    endpoint_id        text NOT NULL,
    instance_id        text NOT NULL,
    catalog            text NOT NULL,
    status             text NOT NULL,
    created_at         timestamptz NOT NULL,
    user_id            text NOT NULL,
    user_name          text NOT NULL,
    wait_deadline      timestamptz,
    owner              text,
    close_requested_at timestamptz,
    close_requested_by text,
    reason             text,
    message            text NOT NULL,
    ended_at           timestamptz,
    CONSTRAINT sessions_status CHECK (status IN ('CREATING', 'WAITING', 'RUNNING', 'CLOSED', 'FAIL')),
    CONSTRAINT sessions_ended CHECK ((status IN ('CLOSED', 'FAIL')) = (ended_at IS NOT NULL)),
    CONSTRAINT sessions_close CHECK ((close_requested_at IS NULL) = (close_requested_by IS NULL))
);

CREATE INDEX IF NOT EXISTS sessions_newest ON sessions (workspace_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (created_at, id) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS sessions_open_endpoint ON sessions (endpoint_id) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS sessions_ended_at ON sessions (ended_at) WHERE ended_at IS NOT NULL;
