SELECT p.id AS project_id, p.name AS project_name, u.id AS user_id, u.name AS user_name,
    d.id AS domain_id, d.name AS domain_name
FROM domains d
JOIN projects p ON p.domain_id = d.id
JOIN users u ON u.domain_id = d.id
WHERE p.name = $1 AND u.name = $2 AND d.name = $3
