SELECT DISTINCT session_id FROM statements WHERE state = 'queued' ORDER BY session_id
