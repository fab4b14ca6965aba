-- One look tells everything about whoever signed. $2 is the project asked for; NULL: the key's own.
SELECT c.access, c.project_id AS key_project_id, c.sealed, c.created_at, c.expires_at, c.token_digest,
    p.id AS project_id, p.name AS project_name,
    u.id AS user_id, u.name AS user_name, d.id AS domain_id, d.name AS domain_name,
    ARRAY(SELECT g.policy FROM grants g WHERE g.user_id = u.id AND g.project_id = p.id) AS granted,
    ARRAY(
        SELECT o.document FROM grants g JOIN policies o ON o.project_id = g.project_id AND o.name = g.policy
        WHERE g.user_id = u.id AND g.project_id = p.id
    ) AS documents
FROM credentials c
JOIN users u ON u.id = c.user_id AND u.enabled
JOIN domains d ON d.id = u.domain_id
LEFT JOIN projects p ON p.id = coalesce($2, c.project_id)
WHERE c.access = $1
