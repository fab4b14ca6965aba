-- The updates that change nothing make RETURNING speak for rows that were there already.
WITH project AS (
    INSERT INTO projects AS p (id, name) VALUES ($3, $1)
    ON CONFLICT (name) DO UPDATE SET name = p.name
    RETURNING id, name
), person AS (
    INSERT INTO users AS u (id, project_id, name) SELECT $4, id, $2 FROM project
    ON CONFLICT (project_id, name) DO UPDATE SET name = u.name
    RETURNING id, name
)
SELECT project.id AS project_id, project.name AS project_name, person.id AS user_id, person.name AS user_name
FROM project, person
