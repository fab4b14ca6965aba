SELECT p.id, p.name, d.id AS domain_id, d.name AS domain_name
FROM projects p JOIN domains d ON d.id = p.domain_id
WHERE d.name = $1 AND p.name = $2
