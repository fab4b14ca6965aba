-- The updates that change nothing make RETURNING speak for rows that were there already.
WITH domain AS (
    INSERT INTO domains AS d (id, name) VALUES ($3, $3)
    ON CONFLICT (name) DO UPDATE SET name = d.name
    RETURNING id, name
), project AS (
    INSERT INTO projects AS p (id, name, domain_id) SELECT $4, $1, id FROM domain
    ON CONFLICT (domain_id, name) DO UPDATE SET name = p.name
    RETURNING id, name
), person AS (
    INSERT INTO users AS u (id, domain_id, project_id, name)
    SELECT $5, domain.id, project.id, $2 FROM domain, project
    ON CONFLICT (domain_id, name) DO UPDATE SET name = u.name
    RETURNING id, name
)
SELECT project.id AS project_id, project.name AS project_name, person.id AS user_id, person.name AS user_name,
    domain.id AS domain_id, domain.name AS domain_name
FROM domain, project, person
