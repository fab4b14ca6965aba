-- The updates that change nothing make RETURNING speak for rows that were there already.
WITH domain AS (
    INSERT INTO domains AS d (id, name) VALUES ($3, $1)
    ON CONFLICT (name) DO UPDATE SET name = d.name
    RETURNING id, name
), project AS (
    INSERT INTO projects AS p (id, name, domain_id) SELECT $4, $2, id FROM domain
    ON CONFLICT (domain_id, name) DO UPDATE SET name = p.name
    RETURNING id, name
)
SELECT project.id, project.name, domain.id AS domain_id, domain.name AS domain_name
FROM project, domain
