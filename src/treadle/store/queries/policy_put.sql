-- The tokens of whoever has the policy end with what it said before.
WITH ended AS (
    DELETE FROM tokens t USING grants g
    WHERE g.project_id = $1 AND g.policy = $2 AND t.user_id = g.user_id AND t.project_id = $1 AND t.role IS NULL
)
INSERT INTO policies (project_id, name, document) VALUES ($1, $2, $3)
ON CONFLICT (project_id, name) DO UPDATE SET document = EXCLUDED.document
