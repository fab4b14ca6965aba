UPDATE sessions SET unanswered = false WHERE id = $1 AND unanswered
RETURNING id
