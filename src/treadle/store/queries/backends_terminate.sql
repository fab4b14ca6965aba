-- How many were there to be ended; a backend is gone when it is no longer listed.
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE application_name = $1 AND pid <> pg_backend_pid()
