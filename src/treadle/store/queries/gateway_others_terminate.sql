-- How many connections of other gateways were there to be ended; one is gone when it is no longer listed.
SELECT count(CASE WHEN pg_has_role(usesysid, 'USAGE') THEN pg_terminate_backend(pid) END) AS ended, count(*) AS found
FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, $2) AND application_name <> $1
