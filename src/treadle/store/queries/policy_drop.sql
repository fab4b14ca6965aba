WITH gone AS (
    DELETE FROM policies WHERE project_id = $1 AND name = $2
    RETURNING project_id, name
), taken AS (
    DELETE FROM grants g USING gone WHERE g.project_id = gone.project_id AND g.policy = gone.name
    RETURNING g.user_id, g.project_id
), ended AS (
    DELETE FROM tokens t USING taken WHERE t.user_id = taken.user_id AND t.project_id = taken.project_id AND t.role IS NULL
)
SELECT name FROM gone
