-- Who calls: projects, their users, and the digests of tokens.
-- depends:

CREATE TABLE IF NOT EXISTS projects (
    id   text PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS users (
    id         text PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id),
    name       text NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE IF NOT EXISTS tokens (
    digest     bytea PRIMARY KEY,
    project_id text NOT NULL,
    user_id    text NOT NULL,
    role       text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
