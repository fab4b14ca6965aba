SELECT p.id AS project_id, p.name AS project_name, u.id AS user_id, u.name AS user_name
FROM users u JOIN projects p ON p.id = u.project_id
WHERE p.name = $1 AND u.name = $2
