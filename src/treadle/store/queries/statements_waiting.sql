SELECT id, session_id, created_at, wait_timeout FROM statements WHERE state = 'queued' AND wait_timeout IS NOT NULL
