DROP TABLE IF EXISTS policies;
DROP TABLE IF EXISTS grants;
DROP TABLE IF EXISTS credentials;

DELETE FROM tokens WHERE project_id IS NULL OR role IS NULL OR role NOT IN ('viewer', 'operator');
DROP INDEX IF EXISTS tokens_of;
ALTER TABLE tokens
    DROP COLUMN IF EXISTS domain_id,
    DROP COLUMN IF EXISTS methods,
    ALTER COLUMN project_id SET NOT NULL,
    ALTER COLUMN role SET NOT NULL;

DELETE FROM users WHERE project_id IS NULL;
DROP INDEX IF EXISTS users_names;
ALTER TABLE users
    DROP COLUMN IF EXISTS domain_id,
    DROP COLUMN IF EXISTS enabled,
    DROP COLUMN IF EXISTS password,
    ALTER COLUMN project_id SET NOT NULL;
-- One name in two domains: the id tells them apart.
UPDATE users u SET name = u.name || '@' || u.id
WHERE EXISTS (SELECT FROM users o WHERE o.project_id = u.project_id AND o.name = u.name AND o.id < u.id);
ALTER TABLE users
    DROP CONSTRAINT IF EXISTS users_project_id_name_key,
    ADD CONSTRAINT users_project_id_name_key UNIQUE (project_id, name);

DROP INDEX IF EXISTS projects_names;
ALTER TABLE projects DROP COLUMN IF EXISTS domain_id;
UPDATE projects p SET name = p.name || '@' || p.id
WHERE EXISTS (SELECT FROM projects o WHERE o.name = p.name AND o.id < p.id);
ALTER TABLE projects
    DROP CONSTRAINT IF EXISTS projects_name_key,
    ADD CONSTRAINT projects_name_key UNIQUE (name);

DROP TABLE IF EXISTS domains;
