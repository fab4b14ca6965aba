SELECT u.id, u.name, u.project_id, u.enabled, u.password, d.id AS domain_id, d.name AS domain_name
FROM users u JOIN domains d ON d.id = u.domain_id
WHERE u.id = $1
