SELECT user_id, project_id, policy FROM grants
WHERE user_id = $1
ORDER BY project_id COLLATE "C", policy COLLATE "C"
