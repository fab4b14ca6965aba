-- The tokens he got himself for the project end with what he could do there.
WITH made AS (
    INSERT INTO grants (user_id, project_id, policy) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
    RETURNING user_id, project_id
), ended AS (
    DELETE FROM tokens t USING made WHERE t.user_id = made.user_id AND t.project_id = made.project_id AND t.role IS NULL
)
SELECT user_id FROM made
