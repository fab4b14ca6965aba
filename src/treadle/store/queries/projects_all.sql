SELECT p.id, p.name, d.id AS domain_id, d.name AS domain_name
FROM projects p JOIN domains d ON d.id = p.domain_id
ORDER BY d.name COLLATE "C", p.name COLLATE "C"
