-- Only backends of roles that the service has: others it may not end, and to try is an error.
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity JOIN pg_roles ON usesysid = pg_roles.oid
WHERE datname = $1 AND pid <> pg_backend_pid() AND pg_has_role(usesysid, 'USAGE')
    AND (NOT rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
