-- Domains with projects and users, what users prove themselves with, and what they may do where.
-- depends: 0005.service

CREATE TABLE IF NOT EXISTS domains (
    id   text PRIMARY KEY,
    name text NOT NULL UNIQUE
);

INSERT INTO domains (id, name) VALUES ('default', 'default') ON CONFLICT DO NOTHING;

-- A project of before belongs to the default domain.
ALTER TABLE projects ADD COLUMN IF NOT EXISTS domain_id text REFERENCES domains (id);
UPDATE projects SET domain_id = 'default' WHERE domain_id IS NULL;
ALTER TABLE projects ALTER COLUMN domain_id SET NOT NULL;
ALTER TABLE projects DROP CONSTRAINT IF EXISTS projects_name_key;
CREATE UNIQUE INDEX IF NOT EXISTS projects_names ON projects (domain_id, name);

-- A user belongs to a domain now; his project is where he works unless he says otherwise. Of users of
-- one name in several projects the oldest keeps it, the others are called after their project too.
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS domain_id text REFERENCES domains (id),
    ADD COLUMN IF NOT EXISTS enabled boolean NOT NULL DEFAULT true,
    ADD COLUMN IF NOT EXISTS password text;
UPDATE users u SET name = u.name || '@' || CASE
    WHEN EXISTS (SELECT FROM users o WHERE o.name = u.name || '@' || p.name) THEN u.id ELSE p.name END
FROM projects p
WHERE p.id = u.project_id AND u.domain_id IS NULL
    AND EXISTS (SELECT FROM users o WHERE o.name = u.name AND o.domain_id IS NULL AND o.id < u.id);
UPDATE users SET domain_id = 'default' WHERE domain_id IS NULL;
ALTER TABLE users ALTER COLUMN domain_id SET NOT NULL;
ALTER TABLE users ALTER COLUMN project_id DROP NOT NULL;
ALTER TABLE users DROP CONSTRAINT IF EXISTS users_project_id_name_key;
CREATE UNIQUE INDEX IF NOT EXISTS users_names ON users (domain_id, name);

-- A token of a user's own has no role: it has what he has been granted.
ALTER TABLE tokens
    ADD COLUMN IF NOT EXISTS domain_id text,
    ADD COLUMN IF NOT EXISTS methods text[] NOT NULL DEFAULT '{token}',
    ALTER COLUMN project_id DROP NOT NULL,
    ALTER COLUMN role DROP NOT NULL;
CREATE INDEX IF NOT EXISTS tokens_of ON tokens (user_id);

CREATE TABLE IF NOT EXISTS credentials (
    access       text PRIMARY KEY,
    user_id      text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id   text NOT NULL REFERENCES projects (id),
    sealed       bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    token_digest bytea,
    CHECK ((expires_at IS NULL) = (token_digest IS NULL))
);
CREATE INDEX IF NOT EXISTS credentials_of ON credentials (user_id);

CREATE TABLE IF NOT EXISTS grants (
    user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id text NOT NULL REFERENCES projects (id),
    policy     text NOT NULL,
    PRIMARY KEY (user_id, project_id, policy)
);
CREATE INDEX IF NOT EXISTS grants_in ON grants (project_id, policy);

-- document is JSON (bytea, as in 0004.statements): the name and the rules.
CREATE TABLE IF NOT EXISTS policies (
    project_id text NOT NULL REFERENCES projects (id),
    name       text NOT NULL,
    document   bytea NOT NULL,
    PRIMARY KEY (project_id, name)
);
