-- How many were there to be ended; a backend is gone when it is no longer listed. One of a role that the
-- service does not have is none of its workers', whatever it calls itself.
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity JOIN pg_roles ON usesysid = pg_roles.oid
WHERE application_name = $1 AND pid <> pg_backend_pid() AND pg_has_role(usesysid, 'USAGE')
    AND (NOT rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
