-- A tenant's room, and where its sessions run.
-- depends: 0001.principals

CREATE TABLE IF NOT EXISTS workspaces (
    id                    text PRIMARY KEY,
    project_id            text NOT NULL,
    name                  text NOT NULL,
    created_at            timestamptz NOT NULL,
    description           text NOT NULL,
    metastore_id          text NOT NULL,
    enterprise_project_id text NOT NULL,
    create_user_name      text NOT NULL,
    UNIQUE (project_id, name)
);

CREATE INDEX IF NOT EXISTS workspaces_newest ON workspaces (project_id, created_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS endpoints (
    id                text PRIMARY KEY,
    workspace_id      text NOT NULL REFERENCES workspaces (id),
    name              text NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    type              text NOT NULL,
    status            text NOT NULL,
    engine            text NOT NULL,
    description       text NOT NULL,
    max_sessions      bigint NOT NULL,
    max_statements    bigint NOT NULL,
    config            bytea NOT NULL,
    reserved_resource bytea NOT NULL,
    owner_user_id     text NOT NULL,
    owner_user_name   text NOT NULL,
    UNIQUE (workspace_id, name)
);

CREATE TABLE IF NOT EXISTS catalogs (
    id           text PRIMARY KEY,
    workspace_id text NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    instance_id  text NOT NULL,
    name         text NOT NULL,
    created_at   timestamptz NOT NULL,
    database     text NOT NULL,
    role         text NOT NULL,
    password     text NOT NULL,
    data_path    text NOT NULL,
    UNIQUE (workspace_id, instance_id, name)
);
