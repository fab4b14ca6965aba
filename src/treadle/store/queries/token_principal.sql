SELECT p.id AS project_id, p.name AS project_name, u.id AS user_id, u.name AS user_name, t.role
FROM tokens t
JOIN users u ON u.id = t.user_id
JOIN projects p ON p.id = t.project_id AND p.id = u.project_id
WHERE t.digest = $1 AND (t.expires_at IS NULL OR t.expires_at > $2)
