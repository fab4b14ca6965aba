SELECT p.id, p.name, d.id AS domain_id, d.name AS domain_name
FROM projects p JOIN domains d ON d.id = p.domain_id
WHERE EXISTS (SELECT FROM grants g WHERE g.user_id = $1 AND g.project_id = p.id)
ORDER BY p.name COLLATE "C"
