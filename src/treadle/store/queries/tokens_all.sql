-- As `token_holder`, of every token; also of users who are kept out.
SELECT t.digest, t.created_at, t.expires_at, t.domain_id AS scope_domain_id, t.role, t.methods,
    t.project_id AS scope_project_id, coalesce(p.id, '') AS project_id, coalesce(p.name, '') AS project_name,
    u.id AS user_id, u.name AS user_name, d.id AS domain_id, d.name AS domain_name,
    ARRAY(
        SELECT g.policy FROM grants g WHERE t.role IS NULL AND g.user_id = u.id AND g.project_id = p.id
    ) AS granted,
    ARRAY(
        SELECT c.document FROM grants g JOIN policies c ON c.project_id = g.project_id AND c.name = g.policy
        WHERE t.role IS NULL AND g.user_id = u.id AND g.project_id = p.id
    ) AS documents
FROM tokens t
JOIN users u ON u.id = t.user_id
JOIN domains d ON d.id = u.domain_id
LEFT JOIN projects p ON p.id = t.project_id AND p.domain_id = u.domain_id
WHERE t.project_id IS NULL OR p.id IS NOT NULL
ORDER BY t.created_at, t.digest
