-- Statements. The constraints are the table of model/states.py and clauses C1, C6 and C7.
-- bindings and commit_point are JSON, parts is one JSON document a line (bytea: jsonb refuses NUL).
-- depends: 0003.sessions

CREATE TABLE IF NOT EXISTS statements (
    id                  text PRIMARY KEY,
    seq                 bigint GENERATED ALWAYS AS IDENTITY,
    workspace_id        text NOT NULL,
    endpoint_id         text NOT NULL,
    session_id          text NOT NULL,
    content             text NOT NULL,
    created_at          timestamptz NOT NULL,
    state               text NOT NULL DEFAULT 'queued',
    database_name       text NOT NULL,
    bindings            bytea NOT NULL,
    row_limit           bigint,
    fetch_mode          text NOT NULL,
    is_maintain         boolean NOT NULL,
    source              integer NOT NULL,
    user_id             text NOT NULL,
    user_name           text NOT NULL,
    owner               text,
    started_at          timestamptz,
    committing_at       timestamptz,
    commit_point        bytea,
    cancel_requested_at timestamptz,
    cancel_reason       text,
    cancel_requested_by text,
    finished_at         timestamptz,
    effects             text,
    reason              text,
    actor               text,
    rung                text,
    cancel_millis       double precision,
    parts               bytea NOT NULL DEFAULT '',
    last_part           integer NOT NULL DEFAULT 0,
    results_expire_at   timestamptz,
    results_expired     boolean NOT NULL DEFAULT false,
    CONSTRAINT statements_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT statements_queued CHECK (state <> 'queued' OR (
        owner IS NULL AND started_at IS NULL AND committing_at IS NULL AND cancel_requested_at IS NULL)),
    CONSTRAINT statements_running CHECK (state <> 'running' OR (owner IS NOT NULL AND started_at IS NOT NULL)),
    CONSTRAINT statements_ended CHECK (
        (state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)
        AND (finished_at IS NULL) = (effects IS NULL)),
    CONSTRAINT statements_ending CHECK (finished_at IS NOT NULL OR (
        reason IS NULL AND actor IS NULL AND rung IS NULL AND cancel_millis IS NULL AND results_expire_at IS NULL)),
    CONSTRAINT statements_effects CHECK (effects IN ('none', 'committed', 'partial', 'unknown')),
    CONSTRAINT statements_cancelled CHECK (state <> 'cancelled' OR effects <> 'committed'),
    CONSTRAINT statements_intent CHECK (
        (cancel_requested_at IS NULL) = (cancel_reason IS NULL)
        AND (cancel_requested_at IS NULL) = (cancel_requested_by IS NULL)),
    CONSTRAINT statements_committing CHECK ((committing_at IS NULL) = (commit_point IS NULL))
);

CREATE INDEX IF NOT EXISTS statements_queued ON statements (session_id, seq) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS statements_running ON statements (started_at, seq) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS statements_newest ON statements (workspace_id, created_at DESC, id DESC) INCLUDE (state);
CREATE INDEX IF NOT EXISTS statements_unsuccessful ON statements (workspace_id, created_at DESC, id DESC)
    WHERE state IN ('failed', 'cancelled');
CREATE INDEX IF NOT EXISTS statements_session ON statements (session_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS statements_expiry ON statements (results_expire_at)
    WHERE results_expire_at IS NOT NULL AND NOT results_expired;
CREATE INDEX IF NOT EXISTS statements_finished ON statements (finished_at) WHERE finished_at IS NOT NULL;

-- The commit point is entered only while no cancel is intended (a later intent is legal). Clocks of
-- two processes cannot tell which came first; the order of the changes of the row can.
CREATE OR REPLACE FUNCTION statements_refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'statement % is asked to stop and cannot enter its commit point', NEW.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'statements_commit_after_intent';
END
$$;

DROP TRIGGER IF EXISTS statements_commit_after_intent ON statements;

CREATE TRIGGER statements_commit_after_intent BEFORE UPDATE OF committing_at ON statements FOR EACH ROW
    WHEN (OLD.cancel_requested_at IS NOT NULL
          AND NEW.committing_at IS NOT NULL
          AND NEW.committing_at IS DISTINCT FROM OLD.committing_at)
    EXECUTE FUNCTION statements_refuse_commit();

-- A final state is written once (C1): whatever asks, an ended row keeps its verdict.
CREATE OR REPLACE FUNCTION statements_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'statement % has ended and cannot change its verdict', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'statements_final';
END
$$;

DROP TRIGGER IF EXISTS statements_final ON statements;

CREATE TRIGGER statements_final BEFORE UPDATE OF state, finished_at, effects ON statements FOR EACH ROW
    WHEN (OLD.finished_at IS NOT NULL
          AND (NEW.state, NEW.finished_at, NEW.effects) IS DISTINCT FROM (OLD.state, OLD.finished_at, OLD.effects))
    EXECUTE FUNCTION statements_refuse_change();
