-- The tokens he got himself for the project end with what he could do there.
WITH gone AS (
    DELETE FROM grants WHERE user_id = $1 AND project_id = $2 AND policy = $3
    RETURNING user_id, project_id
), ended AS (
    DELETE FROM tokens t USING gone WHERE t.user_id = gone.user_id AND t.project_id = gone.project_id AND t.role IS NULL
)
SELECT user_id FROM gone
