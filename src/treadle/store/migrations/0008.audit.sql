-- What was done, by whom: rows are added and stay as they are until their time is over.
-- The role of the service owns the table, so that it is the triggers that refuse, and not grants.
-- depends: 0005.service

CREATE TABLE IF NOT EXISTS audit (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL,
    project_id   text NOT NULL,
    user_id      text NOT NULL,
    user_name    text NOT NULL,
    address      text NOT NULL,
    request_id   text NOT NULL,
    action       text NOT NULL,
    outcome      text NOT NULL,
    workspace_id text NOT NULL,
    resource     text NOT NULL,
    detail       text NOT NULL DEFAULT '',
    key          text NOT NULL DEFAULT '',
    closes       boolean NOT NULL DEFAULT false,
    times        integer NOT NULL DEFAULT 1
);

CREATE INDEX IF NOT EXISTS audit_at ON audit (at);
CREATE INDEX IF NOT EXISTS audit_key ON audit (key, id) WHERE key <> '';

CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only'
        USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'audit_append_only';
END
$$;

DROP TRIGGER IF EXISTS audit_no_update ON audit;
DROP TRIGGER IF EXISTS audit_no_truncate ON audit;
DROP TRIGGER IF EXISTS audit_no_delete ON audit;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
-- The sweep says in its own transaction how old a row must be; nobody else says anything.
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit FOR EACH ROW
    WHEN (OLD.at >= coalesce(nullif(current_setting('treadle.audit_before', true), ''), '-infinity')::timestamptz)
    EXECUTE FUNCTION audit_refuse_change();
