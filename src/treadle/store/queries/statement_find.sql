-- By the id the API shows: the chosen one where one was chosen, else ours.
SELECT * FROM statements WHERE id = $2 AND workspace_id = $1 AND chosen_id IS NULL
UNION ALL
SELECT * FROM statements WHERE workspace_id = $1 AND chosen_id = $2
LIMIT 1
